import { Ban, Check, CircleAlert, Clock3, Download, FileJson2, LoaderCircle, Shuffle } from 'lucide-react'
import { useRef, useState, type KeyboardEvent } from 'react'
import { ApiError } from '../api/problem'
import type { Recipe, Sound } from '../api/types'
import { bytes, channels, depth, rate, seconds, wait } from '../lib/format'
import { takeState, type TakeProgress, type TakeState } from '../state/jobs'
import { client, renderAgain } from '../state/studio'
import { Changes } from './Changes'
import { CopyButton } from './CopyButton'
import { PlayButton } from './PlayButton'
import { sourceOf, useSoundPlayback, useWaveform } from './useSound'
import { VariationsPanel } from './VariationsPanel'
import { SeekableWaveform, Waveform } from './Waveform'

interface TakeCardProps {
  sound: Sound
  progress: TakeProgress | undefined
  queuePosition: number | null
  etaSeconds: number | null
}

export function TakeCard({ sound, progress, queuePosition, etaSeconds }: TakeCardProps) {
  const state = takeState(sound, progress)
  const playback = useSoundPlayback(sound)
  const overview = useWaveform(sound, state === 'ready')
  const name = `take ${sound.position + 1}`
  const peaks = overview.length > 0 ? overview : (progress?.peaks ?? [])
  const covered = progress && progress.total > 0 ? Math.min(1, progress.peakFrames / progress.total) : 0
  const percent = Math.floor(progress?.percent ?? 0)

  /** The space bar plays the card that holds the focus, unless it means something else there. */
  function press(event: KeyboardEvent<HTMLElement>) {
    if (event.key !== ' ' || !(event.target instanceof HTMLElement)) return
    if (event.target.closest('button, a, input, label, summary, pre')) return
    event.preventDefault()
    playback.toggle()
  }

  return (
    // The keys belong to the controls within; the card only hears what they leave over.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions
    <article
      aria-label={`Take ${sound.position + 1}`}
      data-source={sourceOf(sound)}
      data-state={state}
      className="@container min-w-0 rounded-md border border-line bg-panel"
      onKeyDown={press}
    >
      <div className="flex items-center gap-3 px-3 pt-3">
        <PlayButton
          label={name}
          playing={playback.playing}
          disabled={state === 'failed' || state === 'cancelled'}
          onClick={playback.toggle}
        />
        <div className="min-w-0 grow">
          <h3 className="truncate font-semibold">Take {sound.position + 1}</h3>
          <p className="truncate font-mono text-xs text-ink-2">
            {seconds(sound.duration)}
            {playback.played !== null && <span className="text-signal"> at {playback.time.toFixed(2)} s</span>}
          </p>
        </div>
        <StateLabel
          state={state}
          percent={percent}
          stage={progress?.stage ?? ''}
          queuePosition={progress?.queuePosition ?? queuePosition}
          etaSeconds={progress?.etaSeconds ?? etaSeconds}
          preview={playback.preview}
        />
      </div>

      <div className="h-24 px-3 py-2">
        {state === 'ready' ? (
          <SeekableWaveform
            label={`Place in ${name}`}
            className="h-full"
            peaks={peaks}
            tone="text-hue"
            played={playback.played}
            duration={sound.duration ?? 0}
            time={playback.time}
            onSeek={playback.seek}
          />
        ) : state === 'failed' || state === 'cancelled' ? (
          <div className="flex h-full items-center gap-3 rounded-md bg-well px-3">
            <p className="line-clamp-3 min-w-0 grow text-ink-2">
              {state === 'cancelled' ? 'This take was cancelled.' : (sound.error?.message ?? 'No reason was given.')}
            </p>
            <button type="button" className="button button-line" onClick={() => void renderAgain(sound)}>
              Try again
            </button>
          </div>
        ) : (
          <div
            role="progressbar"
            aria-label={`Rendering of ${name}`}
            aria-valuemin={0}
            aria-valuemax={100}
            aria-valuenow={percent}
            className="h-full"
          >
            <Waveform
              className="h-full"
              peaks={peaks}
              covered={covered}
              tone={state === 'rendering' ? 'text-amber' : 'text-ink-3'}
              played={playback.played}
              growing={state === 'rendering'}
            />
          </div>
        )}
      </div>

      {playback.failure && (
        <p role="alert" className="px-3 pb-1 text-xs text-fail">
          {playback.failure}
        </p>
      )}

      <div className="flex min-h-11 flex-wrap items-center gap-x-3 border-t border-line py-1 pr-1.5 pl-3 text-xs text-ink-2">
        <span className="flex items-center gap-0.5">
          seed <span className="ml-1 font-mono text-ink">{sound.seed}</span>
          <CopyButton text={String(sound.seed)} what="seed" />
        </span>
        <span className="hidden font-mono text-ink-3 @lg:inline">
          {rate(sound.sample_rate)} {depth(sound.bit_depth)} {channels(sound.channels)}
        </span>
        <Actions sound={sound} />
      </div>
    </article>
  )
}

function Actions({ sound }: { sound: Sound }) {
  const [open, setOpen] = useState<'patch' | 'variations' | null>(null)
  const opener = useRef<HTMLButtonElement>(null)
  const ready = sound.state === 'succeeded'
  const toggle = (panel: 'patch' | 'variations') => setOpen(open === panel ? null : panel)
  return (
    <>
      <span className="ml-auto flex items-center">
        <button
          ref={opener}
          type="button"
          className="button text-xs aria-disabled:text-ink-3"
          aria-expanded={open === 'variations'}
          aria-disabled={!ready}
          aria-label={`Variations of take ${sound.position + 1}`}
          onClick={() => ready && toggle('variations')}
        >
          <Shuffle size={15} aria-hidden="true" /> Variations
        </button>
        <button
          type="button"
          className="button text-xs"
          aria-expanded={open === 'patch'}
          aria-label={`Show the patch of take ${sound.position + 1}`}
          onClick={() => toggle('patch')}
        >
          <FileJson2 size={15} aria-hidden="true" /> Patch
        </button>
        {sound.download_url === null ? (
          <span className="button text-xs text-ink-3" aria-hidden="true">
            <Download size={15} /> <span className="min-w-14 text-right font-mono">{bytes(null)}</span>
          </span>
        ) : (
          <a
            className="button text-xs"
            href={sound.download_url}
            download={`${sound.name}.${sound.format}`}
            aria-label={`Download take ${sound.position + 1}, WAV, ${bytes(sound.size_bytes)}`}
          >
            <Download size={15} aria-hidden="true" /> <span className="min-w-14 text-right font-mono">{bytes(sound.size_bytes)}</span>
          </a>
        )}
      </span>
      {open === 'patch' && (
        <>
          <Changes sound={sound} />
          <Patch sound={sound} />
        </>
      )}
      {open === 'variations' && (
        <VariationsPanel
          sound={sound}
          onClose={() => {
            setOpen(null)
            opener.current?.focus()
          }}
        />
      )}
    </>
  )
}

/** The recipe as it is: everything that determines the bytes. */
function Patch({ sound }: { sound: Sound }) {
  const [recipe, setRecipe] = useState<Recipe | null>(null)
  const [error, setError] = useState<string | null>(null)
  const [asked, setAsked] = useState(false)
  if (!asked) {
    setAsked(true)
    client.recipe(sound).then(setRecipe, (cause: unknown) => {
      setError(cause instanceof ApiError ? cause.message : 'The recipe could not be read.')
    })
  }
  const text = recipe === null ? '' : JSON.stringify(recipe, null, 2)
  return (
    <div className="my-1 mr-1.5 w-full min-w-0 rounded-md border border-line bg-well">
      <div className="flex h-9 items-center justify-between border-b border-line pr-1 pl-3">
        <h4 className="font-medium">Recipe</h4>
        {recipe && <CopyButton text={text} what="recipe" />}
      </div>
      <pre
        className="h-64 overflow-auto p-3 font-mono text-xs text-ink-2 -outline-offset-2"
        // A stretch that scrolls must be reached by the keyboard.
        // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
        tabIndex={0}
        aria-label={`Recipe of take ${sound.position + 1}`}
      >
        {error ?? (text || 'Reading …')}
      </pre>
    </div>
  )
}

interface StateLabelProps {
  state: TakeState
  percent: number
  stage: string
  queuePosition: number | null
  etaSeconds: number | null
  preview: boolean
}

function StateLabel({ state, percent, stage, queuePosition, etaSeconds, preview }: StateLabelProps) {
  switch (state) {
    case 'waiting': {
      const before = queuePosition === null || queuePosition === 0 ? null : `${queuePosition} before it`
      const eta = etaSeconds === null ? null : `about ${wait(etaSeconds)}`
      return (
        <Label icon={<Clock3 size={14} aria-hidden="true" />} main="Waiting" tone="text-ink-2">
          {[before, eta].filter(Boolean).join(', ') || 'in the queue'}
        </Label>
      )
    }
    case 'rendering':
      return (
        <Label
          icon={<LoaderCircle size={14} className="animate-spin" aria-hidden="true" />}
          main={stage === 'encoding' ? 'Encoding' : stage === 'storing' ? 'Storing' : 'Rendering'}
          tone="text-amber"
        >
          <span className="font-mono">{percent} %</span>
          {preview && ', preview'}
        </Label>
      )
    case 'ready':
      return <Label icon={<Check size={14} aria-hidden="true" />} main="Ready" tone="text-signal" />
    case 'failed':
      return <Label icon={<CircleAlert size={14} aria-hidden="true" />} main="Failed" tone="text-fail" />
    default:
      return <Label icon={<Ban size={14} aria-hidden="true" />} main="Cancelled" tone="text-ink-2" />
  }
}

function Label({ icon, main, tone, children }: { icon: React.ReactNode; main: string; tone: string; children?: React.ReactNode }) {
  return (
    <p className="shrink-0 self-start text-right text-xs">
      <span className={`flex items-center justify-end gap-1 leading-5 font-medium ${tone}`}>
        {icon}
        {main}
      </span>
      <span className="block min-h-4 text-ink-2">{children}</span>
    </p>
  )
}
