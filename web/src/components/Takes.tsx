import { Ban } from 'lucide-react'
import { useRef } from 'react'
import { isFinal } from '../api/types'
import { plural } from '../lib/format'
import { cancelJob, forgetJob, openJob, useStudio } from '../state/studio'
import { ErrorNote } from './ErrorNote'
import { TakeCard } from './TakeCard'
import { Parent } from './Parent'

/** The takes of the job that is shown. */
export function Takes() {
  const currentId = useStudio((state) => state.currentId)
  const view = useStudio((state) => (state.currentId ? state.jobs[state.currentId] : undefined))
  const opening = useStudio((state) => state.opening)
  const openError = useStudio((state) => state.openError)
  const cancelling = useStudio((state) => state.cancelling === state.currentId)
  const cancelError = useStudio((state) => state.cancelError)
  const heading = useRef<HTMLHeadingElement>(null)

  if (openError) {
    const gone = openError.kind === 'missing'
    const wanted = new URL(location.href).searchParams.get('job')
    return (
      <section aria-label="Takes" className="rounded-md border border-line bg-panel p-4">
        <ErrorNote
          error={openError}
          onRetry={gone ? forgetJob : () => wanted && void openJob(wanted)}
          retryText={gone ? 'Dismiss' : 'Try again'}
        >
          {gone ? 'Its sounds may have expired, or belong to somebody else.' : 'Nothing is lost: the render goes on.'}
        </ErrorNote>
      </section>
    )
  }
  if (!view || !currentId) return opening ? <Placeholder /> : null

  const { job, progress } = view

  async function cancel(id: string) {
    await cancelJob(id)
    heading.current?.focus() // the button is gone, and the keyboard needs a place
  }

  const ready = job.sounds.filter((sound) => sound.state === 'succeeded').length
  const prompt = job.sounds[0]?.prompt ?? ''
  return (
    <section aria-labelledby="takes">
      <div className="flex min-h-10 items-center justify-between gap-4 pb-2">
        <div className="min-w-0 grow">
          <h2 id="takes" ref={heading} tabIndex={-1} className="truncate text-md font-semibold">
            {prompt}
          </h2>
          {job.sounds[0]?.explanation.variation && <Parent key={job.id} sound={job.sounds[0]} />}
        </div>
        <p className="shrink-0 text-xs text-ink-2">
          <span className="font-mono">
            {ready} of {job.sounds.length}
          </span>{' '}
          ready
          {job.failed_count > 0 && <span className="text-fail">, {plural(job.failed_count, 'failure')}</span>}
        </p>
        {!isFinal(job.state) && (
          <button
            type="button"
            className="button button-line -my-1.5 shrink-0"
            aria-disabled={cancelling}
            onClick={() => !cancelling && void cancel(job.id)}
          >
            <Ban size={14} aria-hidden="true" /> {cancelling ? 'Cancelling' : 'Cancel'}
          </button>
        )}
      </div>
      {cancelError && !isFinal(job.state) && (
        <div className="pb-2">
          <ErrorNote error={cancelError} onRetry={() => void cancel(job.id)}>
            The render goes on.
          </ErrorNote>
        </div>
      )}
      {job.error && <p className="pb-2 text-fail">{job.error.message}</p>}
      <div className={`grid gap-3 ${job.sounds.length > 1 ? 'md:grid-cols-2' : ''}`}>
        {job.sounds.map((sound) => (
          <TakeCard
            key={sound.id}
            sound={sound}
            progress={progress[sound.id]}
            queuePosition={job.queue_position}
            etaSeconds={job.eta_seconds}
          />
        ))}
      </div>
    </section>
  )
}

/** Holds the space of one row of takes while the job is read. */
function Placeholder() {
  return (
    <section aria-label="Takes" aria-busy="true">
      <div className="min-h-10 pb-2">
        <div className="skeleton h-6 w-64 max-w-full" />
      </div>
      <div className="grid gap-3 md:grid-cols-2">
        <div className="h-50 rounded-md border border-line bg-panel" />
        <div className="hidden h-50 rounded-md border border-line bg-panel md:block" />
      </div>
    </section>
  )
}
