import { Download, LoaderCircle } from 'lucide-react'
import { useEffect, useRef, useState } from 'react'
import type { Sound } from '../api/types'
import { ago, bytes, seconds } from '../lib/format'
import { takeState } from '../state/jobs'
import { loadLibrary, loadMore, openJob, useStudio } from '../state/studio'
import { ErrorNote } from './ErrorNote'
import { PlayButton } from './PlayButton'
import { sourceOf, useSoundPlayback, useWaveform } from './useSound'
import { Waveform } from './Waveform'

/** The sounds made before, the newest first. */
export function Library() {
  const library = useStudio((state) => state.library)
  const currentId = useStudio((state) => state.currentId)
  const items = library.items.filter((sound) => sound.job_id !== currentId)

  if (library.status === 'ready' && items.length === 0 && library.next === null) return null
  return (
    <section aria-labelledby="library" className="pt-2">
      <h2 id="library" className="pb-2 text-md font-semibold">
        Earlier sounds
      </h2>
      {items.length > 0 && (
        <ul className="divide-y divide-line rounded-md border border-line bg-panel">
          {items.map((sound) => (
            <Row key={sound.id} sound={sound} />
          ))}
        </ul>
      )}
      {library.status === 'loading' && items.length === 0 && <Skeleton />}
      {library.status === 'failed' && library.error && (
        <div className="rounded-md border border-line bg-panel p-4">
          <ErrorNote error={library.error} onRetry={() => void loadLibrary()}>
            Your sounds are still there.
          </ErrorNote>
        </div>
      )}
      {library.status === 'ready' && library.error && (
        <div className="mt-3">
          <ErrorNote error={library.error} />
        </div>
      )}
      {library.next !== null && library.status === 'ready' && (
        <button
          type="button"
          className="button button-line mt-3"
          aria-disabled={library.loadingMore}
          onClick={() => void loadMore()}
        >
          {library.loadingMore && <LoaderCircle size={14} className="animate-spin" aria-hidden="true" />}
          Load more
        </button>
      )}
    </section>
  )
}

function Row({ sound }: { sound: Sound }) {
  const row = useRef<HTMLLIElement>(null)
  const near = useNear(row)
  const progress = useStudio((state) => state.jobs[sound.job_id]?.progress[sound.id])
  const state = takeState(sound, progress)
  const playback = useSoundPlayback(sound)
  const overview = useWaveform(sound, near && state === 'ready')
  const peaks = overview.length > 0 ? overview : (progress?.peaks ?? [])
  const covered =
    state === 'ready' ? 1 : progress && progress.total > 0 ? Math.min(1, progress.peakFrames / progress.total) : 0
  const word = { waiting: 'Waiting', rendering: 'Rendering', ready: '', failed: 'Failed', cancelled: 'Cancelled' }[state]
  return (
    <li ref={row} data-source={sourceOf(sound)} className="flex h-14 items-center gap-3 px-3">
      <PlayButton
        small
        label={`${sound.prompt}, take ${sound.position + 1}`}
        playing={playback.playing}
        disabled={state === 'failed' || state === 'cancelled'}
        onClick={playback.toggle}
      />
      <Waveform
        className="h-8 w-24 shrink-0 sm:w-44"
        peaks={peaks}
        covered={covered}
        tone={state === 'rendering' ? 'text-amber' : state === 'ready' ? 'text-hue' : 'text-ink-3'}
        played={playback.played}
      />
      <div className="min-w-0 grow">
        <a
          href={`/?job=${sound.job_id}`}
          className="block truncate rounded-md hover:underline"
          aria-label={`Open ${sound.prompt}, take ${sound.position + 1}`}
          onClick={(event) => {
            if (event.metaKey || event.ctrlKey || event.shiftKey) return
            event.preventDefault()
            void openJob(sound.job_id)
            window.scrollTo({ top: 0 })
          }}
        >
          {sound.prompt}
        </a>
        <p className="truncate text-xs text-ink-3">
          {word && (
            <span className={state === 'failed' ? 'text-fail' : state === 'rendering' ? 'text-amber' : ''}>{word} · </span>
          )}
          {sound.explanation.variation && 'Variation · '}
          <span className="font-mono">{seconds(sound.duration)}</span> · seed <span className="font-mono">{sound.seed}</span>
        </p>
      </div>
      <time dateTime={sound.created_at} title={new Date(sound.created_at).toLocaleString()} className="hidden shrink-0 text-xs text-ink-3 sm:block">
        {ago(sound.created_at, Date.now())}
      </time>
      {sound.download_url === null ? (
        <span className="w-9 shrink-0" />
      ) : (
        <a
          className="button shrink-0"
          href={sound.download_url}
          download={`${sound.name}.${sound.format}`}
          aria-label={`Download ${sound.prompt}, take ${sound.position + 1}, WAV, ${bytes(sound.size_bytes)}`}
        >
          <Download size={15} aria-hidden="true" />
        </a>
      )}
    </li>
  )
}

function Skeleton() {
  return (
    <div aria-busy="true" aria-label="Loading your sounds" role="status" className="divide-y divide-line rounded-md border border-line bg-panel">
      {[0, 1, 2].map((i) => (
        <div key={i} className="flex h-14 items-center gap-3 px-3">
          <div className="skeleton size-8" />
          <div className="skeleton h-6 w-24 sm:w-44" />
          <div className="skeleton h-3 w-40" />
        </div>
      ))}
    </div>
  )
}

/** Whether an element is, or has been, near the visible part of the page. */
function useNear(ref: React.RefObject<HTMLElement | null>): boolean {
  const [near, setNear] = useState(false)
  useEffect(() => {
    const element = ref.current
    if (!element || near) return
    const observer = new IntersectionObserver(
      ([entry]) => {
        if (entry?.isIntersecting) setNear(true)
      },
      { rootMargin: '200px' },
    )
    observer.observe(element)
    return () => observer.disconnect()
  }, [ref, near])
  return near
}
