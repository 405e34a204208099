import { Ban, CircleAlert, Download, LoaderCircle, RotateCcw, Trash2 } from 'lucide-react'
import { memo, useEffect, useRef } from 'react'
import { isFinal } from '../api/types'
import { bytes, plural, seconds, wait } from '../lib/format'
import { outline } from '../lib/coarse'
import { count, pace, stageOf, type Cell, type Counts, type PackView } from '../state/pack'
import { act, openPack, usePacks, wakePacks, type Act } from '../state/packs'
import { inlineUrl } from '../state/player'
import { ErrorNote } from './ErrorNote'
import { usePlayback } from './useSound'
import { useWake } from './useWake'

/** The farm view of one pack: how it comes on, and a cell for each of its sounds. */
export function PackPage({ id }: { id: string }) {
  const view = usePacks((state) => state.view)
  const opening = usePacks((state) => state.opening)
  const openError = usePacks((state) => state.openError)
  useWake(wakePacks)
  useEffect(() => {
    void openPack(id)
  }, [id])
  useEffect(() => {
    document.title = `${view?.pack.name ?? 'Pack'} · PatchLAB`
  }, [view?.pack.name])

  return (
    <main id="main" tabIndex={-1} className="mx-auto grid max-w-5xl grid-cols-[minmax(0,1fr)] gap-5 px-4 pt-4 pb-16 focus:outline-none sm:px-6 sm:pt-8">
      {openError ? (
        <section aria-label="Pack" className="rounded-md border border-line bg-panel p-4">
          <h1 className="pb-2 text-md font-semibold">{openError.kind === 'missing' ? 'There is no such pack.' : 'This pack cannot be shown.'}</h1>
          <ErrorNote error={openError} onRetry={openError.kind === 'missing' ? undefined : () => void openPack(id)}>
            {openError.kind === 'missing' ? 'It may have expired, been deleted, or belong to somebody else.' : 'Nothing is lost: it goes on being built.'}
          </ErrorNote>
          <a href="/packs" className="button button-line mt-4">
            Your packs
          </a>
        </section>
      ) : view ? (
        <Loaded view={view} />
      ) : (
        opening && <Placeholder />
      )}
    </main>
  )
}

function Loaded({ view }: { view: PackView }) {
  const counts = count(view)
  const failures = view.order.map((id) => view.cells[id]).filter((cell): cell is Cell => cell?.state === 'failed')
  return (
    <>
      <Head view={view} counts={counts} />
      {failures.length > 0 && <Failures cells={failures} />}
      <section aria-labelledby="sounds">
        <h2 id="sounds" className="pb-2 text-md font-semibold">
          Sounds
        </h2>
        <ul className="grid grid-cols-[repeat(auto-fill,minmax(8.5rem,1fr))] gap-1.5">
          {view.order.map((id) => {
            const cell = view.cells[id]
            return cell && <FarmCell key={id} cell={cell} />
          })}
        </ul>
      </section>
    </>
  )
}

function Head({ view, counts }: { view: PackView; counts: Counts }) {
  const { pack, job } = view
  const acting = usePacks((state) => state.acting)
  const failed = usePacks((state) => state.failed)
  const ended = usePacks((state) => state.ended)
  const heading = useRef<HTMLHeadingElement>(null)
  const dialog = useRef<HTMLDialogElement>(null)
  const done = isFinal(job.state)
  const state = job.state
  const total = view.order.length || pack.total
  const stage = stageOf({ state, total }, job)
  const missing = counts.failed + counts.cancelled
  const perSecond = done ? null : pace(ended, Date.now())
  const percent = Math.floor(job.progress)
  const settled = counts.ready + missing
  // What the live link has told is newer than the job's own number.
  const shown = done ? 100 : Math.max(percent, Math.floor((99 * settled) / Math.max(1, total)))
  const ahead = job.queue_position

  async function tryTo(what: Act) {
    const ok = await act(what)
    if (ok && what === 'delete') location.assign('/packs')
    else heading.current?.focus() // the button may be gone, and the keyboard needs a place
  }

  return (
    <section aria-labelledby="pack">
      <div className="flex flex-wrap items-start gap-x-4 gap-y-3">
        <div className="min-w-0 grow basis-64">
          <h1 id="pack" ref={heading} tabIndex={-1} className="text-lg font-semibold tracking-tight break-words">
            {pack.name}
          </h1>
          <p className="text-ink-2">
            {pack.theme && <>{pack.theme} · </>}
            <span className="font-mono">{total}</span> {total === 1 ? 'sound' : 'sounds'}, WAV
          </p>
        </div>
        <div className="flex flex-wrap items-center gap-2">
          {!done && (
            <button type="button" className="button button-line" aria-disabled={acting !== null} onClick={() => void tryTo('cancel')}>
              <Ban size={14} aria-hidden="true" /> {acting === 'cancel' ? 'Cancelling' : 'Cancel'}
            </button>
          )}
          {done && (missing > 0 || pack.download_url === null) && (
            <button type="button" className="button button-line" aria-disabled={acting !== null} onClick={() => void tryTo('rebuild')}>
              {acting === 'rebuild' ? <LoaderCircle size={14} className="animate-spin" aria-hidden="true" /> : <RotateCcw size={14} aria-hidden="true" />}
              {missing > 0 ? `Render ${plural(missing, 'missing sound')}` : 'Make the ZIP again'}
            </button>
          )}
          {pack.download_url !== null && (
            <a className="button button-primary" href={pack.download_url} download>
              <Download size={15} aria-hidden="true" /> ZIP <span className="font-mono font-normal">{bytes(pack.size_bytes)}</span>
            </a>
          )}
          <button type="button" className="button text-fail" aria-label="Delete this pack" aria-disabled={acting !== null} onClick={() => dialog.current?.showModal()}>
            <Trash2 size={15} aria-hidden="true" />
          </button>
        </div>
      </div>

      <div className="mt-4 rounded-md border border-line bg-panel p-3">
        <div className="flex min-h-5 flex-wrap items-baseline gap-x-4 gap-y-1">
          <p className={`font-medium ${state === 'failed' ? 'text-fail' : done ? (state === 'succeeded' ? 'text-signal' : '') : 'text-amber'}`}>{stage}</p>
          <p className="text-xs text-ink-2">
            <span className="font-mono text-ink">
              {counts.ready} of {total}
            </span>{' '}
            ready
            {counts.running > 0 && (
              <>
                , <span className="font-mono">{counts.running}</span> rendering
              </>
            )}
            {counts.failed > 0 && (
              <span className="text-fail">
                , <span className="font-mono">{counts.failed}</span> failed
              </span>
            )}
            {counts.cancelled > 0 && (
              <>
                , <span className="font-mono">{counts.cancelled}</span> cancelled
              </>
            )}
          </p>
          {!done && (
            <p className="ml-auto text-xs text-ink-2">
              {perSecond !== null && (
                <>
                  <span className="font-mono">{perSecond.toFixed(perSecond < 10 ? 1 : 0)}</span> sounds/s{' · '}
                </>
              )}
              {ahead !== null && ahead > 0 && (
                <>
                  <span className="font-mono">{ahead}</span> before it in the queue{' · '}
                </>
              )}
              {job.eta_seconds === null ? (
                'no estimate yet'
              ) : (
                <>
                  about <span className="font-mono">{wait(job.eta_seconds)}</span> left
                </>
              )}
            </p>
          )}
        </div>
        <div
          role="progressbar"
          aria-label={`Building of ${pack.name}`}
          aria-valuemin={0}
          aria-valuemax={100}
          aria-valuenow={shown}
          aria-valuetext={`${stage}: ${counts.ready} of ${total} ready${counts.failed > 0 ? `, ${counts.failed} failed` : ''}`}
          className="mt-2 h-1.5 overflow-hidden rounded-md bg-well"
        >
          <div
            className={`h-full transition-[width] ${state === 'failed' ? 'bg-fail' : done ? 'bg-signal' : 'bg-amber'}`}
            style={{ width: `${shown}%` }}
          />
        </div>
        {job.error && done && state !== 'succeeded' && <p className="pt-2 text-fail">{job.error.message}</p>}
        {failed && (
          <div className="pt-2">
            <ErrorNote error={failed.error} onRetry={() => void tryTo(failed.act)} />
          </div>
        )}
      </div>

      <dialog
        ref={dialog}
        aria-labelledby="delete-title"
        className="m-auto w-96 max-w-[calc(100vw-2rem)] rounded-md border border-edge bg-raised p-5 text-ink backdrop:bg-bg/70"
      >
        <h2 id="delete-title" className="text-md font-semibold">
          Delete {pack.name}?
        </h2>
        <p className="pt-2 text-ink-2">
          Its {plural(total, 'sound')} and the ZIP go{done ? '' : ', and what is rendering stops'}.
        </p>
        <div className="flex justify-end gap-2 pt-5">
          <button type="button" className="button button-line" onClick={() => dialog.current?.close()}>
            Keep it
          </button>
          <button
            type="button"
            className="button button-line border-fail text-fail"
            aria-disabled={acting !== null}
            onClick={() => {
              dialog.current?.close()
              void tryTo('delete')
            }}
          >
            Delete
          </button>
        </div>
      </dialog>
    </section>
  )
}

function Failures({ cells }: { cells: readonly Cell[] }) {
  return (
    <section aria-labelledby="failures" className="rounded-md border border-line bg-panel p-3">
      <h2 id="failures" className="flex items-center gap-2 font-semibold">
        <CircleAlert size={15} className="text-fail" aria-hidden="true" /> {plural(cells.length, 'sound')} failed
      </h2>
      <ul className="max-h-48 overflow-auto pt-2">
        {cells.map((cell) => (
          <li key={cell.id} className="flex gap-2 py-0.5">
            <span className="min-w-0 shrink-0 basis-40 truncate font-mono">{cell.name}</span>
            <span className="min-w-0 text-ink-2">{cell.failure ?? 'No reason was given.'}</span>
          </li>
        ))}
      </ul>
    </section>
  )
}

const WORD = { queued: 'waiting', running: 'rendering', succeeded: 'ready', failed: 'failed', cancelled: 'cancelled' } as const

/** One sound: waiting, growing, then a waveform that is pressed to be heard. */
const FarmCell = memo(function FarmCell({ cell }: { cell: Cell }) {
  const ready = cell.state === 'succeeded' && cell.downloadUrl !== null
  const playback = usePlayback(cell.id, cell.downloadUrl === null ? null : inlineUrl(cell.downloadUrl), cell.duration ?? 0)
  const tone =
    cell.state === 'running' ? 'text-amber' : cell.state === 'failed' ? 'text-fail' : ready ? (playback.playing ? 'text-signal' : 'text-hue') : 'text-ink-3'
  const label = `${cell.name}: ${ready ? (playback.playing ? 'pause' : `play, ${seconds(cell.duration)}`) : WORD[cell.state]}${cell.failure ? `, ${cell.failure}` : ''}`
  return (
    <li data-source={cell.source} data-state={cell.state} className="[content-visibility:auto] [contain-intrinsic-size:auto_4rem]">
      <button
        type="button"
        aria-label={label}
        aria-pressed={ready ? playback.playing : undefined}
        aria-disabled={!ready}
        title={cell.failure ?? cell.prompt}
        onClick={() => ready && playback.toggle()}
        className={`relative flex h-16 w-full flex-col overflow-hidden rounded-md border bg-panel px-2 py-1.5 text-left ${
          playback.playing ? 'border-signal' : 'border-line'
        } ${ready ? 'hover:border-edge' : ''}`}
      >
        <svg viewBox="0 0 48 2" preserveAspectRatio="none" className={`h-7 w-full shrink-0 ${tone}`} aria-hidden="true">
          {cell.peaks.length > 0 ? (
            <path d={outline(cell.peaks, 48)} fill="none" stroke="currentColor" strokeWidth="1.3" vectorEffect="non-scaling-stroke" />
          ) : (
            <path d="M0 1H48" fill="none" stroke="currentColor" strokeWidth="1" vectorEffect="non-scaling-stroke" opacity="0.5" />
          )}
        </svg>
        <span className="mt-auto w-full truncate font-mono text-xs text-ink-2">{cell.name}</span>
        {cell.state === 'running' && (
          <span className="absolute inset-x-0 bottom-0 h-0.5 origin-left bg-amber" style={{ transform: `scaleX(${cell.percent / 100})` }} />
        )}
        {playback.played !== null && (
          <span className="absolute inset-x-0 bottom-0 h-0.5 origin-left bg-signal" style={{ transform: `scaleX(${playback.played})` }} />
        )}
      </button>
    </li>
  )
})

function Placeholder() {
  return (
    <section aria-label="Pack" aria-busy="true">
      <div className="skeleton h-9 w-64 max-w-full" />
      <div className="mt-4 h-16 rounded-md border border-line bg-panel" />
      <div className="mt-5 grid grid-cols-[repeat(auto-fill,minmax(8.5rem,1fr))] gap-1.5">
        {Array.from({ length: 12 }, (_, i) => (
          <div key={i} className="h-16 rounded-md border border-line bg-panel" />
        ))}
      </div>
    </section>
  )
}
