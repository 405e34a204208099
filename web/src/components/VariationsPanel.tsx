import { LoaderCircle, Shuffle } from 'lucide-react'
import { useId, useRef, useState } from 'react'
import type { ApiError } from '../api/problem'
import { isAbort } from '../api/problem'
import type { Sound } from '../api/types'
import { plural } from '../lib/format'
import { randomId } from '../lib/id'
import { MAX_TAKES } from '../state/draft'
import { asApiError, vary } from '../state/studio'
import { ErrorNote } from './ErrorNote'

const COUNTS = Array.from({ length: MAX_TAKES }, (_, i) => i + 1)

/** What a distance means to the ear. */
function meaning(distance: number): string {
  if (distance === 0) return 'the same patch, with other noise and phases'
  if (distance <= 0.15) return 'close: the same sound, played again'
  if (distance < 0.5) return 'related: the same idea'
  if (distance < 0.8) return 'far: other waves and effects may come in'
  return 'anywhere: hardly to be known again'
}

/** Asks how many variations of a take, and how far from it, and renders them. */
export function VariationsPanel({ sound, onClose }: { sound: Sound; onClose: () => void }) {
  const [distance, setDistance] = useState(0.3)
  const [count, setCount] = useState(4)
  const [sending, setSending] = useState(false)
  const [error, setError] = useState<ApiError | null>(null)
  const action = useRef<{ key: string; body: string } | null>(null)
  const id = useId()

  async function render() {
    if (sending) return
    const request = { count, distance }
    const body = JSON.stringify(request)
    // One key for one action, and for every repeat of it.
    if (action.current?.body !== body) action.current = { key: randomId(), body }
    setSending(true)
    setError(null)
    try {
      await vary(sound, request, action.current.key)
      // This card has made room for the new ones, and the keyboard needs a place.
      document.getElementById('takes')?.focus()
    } catch (cause) {
      if (isAbort(cause)) return
      const failure = asApiError(cause)
      if (!failure.retryable) action.current = null
      setError(failure)
    } finally {
      setSending(false)
    }
  }

  return (
    // Escape is heard from the controls within.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions
    <form
      aria-label={`Variations of take ${sound.position + 1}`}
      className="my-1 mr-1.5 grid w-full gap-3 rounded-md border border-line bg-well p-3"
      onSubmit={(event) => {
        event.preventDefault()
        void render()
      }}
      onKeyDown={(event) => {
        if (event.key === 'Escape') onClose()
      }}
    >
      <div className="grid gap-x-5 gap-y-3 @lg:grid-cols-[minmax(0,1fr)_auto]">
        <div className="grid gap-1">
          <span className="flex items-baseline justify-between gap-3">
            <label htmlFor={`${id}-distance`} className="font-medium text-ink-2">
              Distance
            </label>
            <output htmlFor={`${id}-distance`} className="font-mono text-ink">
              {distance.toFixed(2)}
            </output>
          </span>
          <span className="flex items-center gap-2">
            <span aria-hidden="true">close</span>
            <input
              id={`${id}-distance`}
              type="range"
              className="slider min-w-0 grow"
              min={0}
              max={1}
              step={0.05}
              value={distance}
              aria-valuetext={`${distance.toFixed(2)}, ${meaning(distance)}`}
              onChange={(event) => setDistance(Number(event.target.value))}
            />
            <span aria-hidden="true">far</span>
          </span>
          <span className="block min-h-4 text-ink-3" aria-hidden="true">
            {meaning(distance)}
          </span>
        </div>
        <fieldset className="grid content-start gap-1">
          <legend className="sr-only">How many variations</legend>
          <span className="font-medium text-ink-2" aria-hidden="true">
            How many
          </span>
          <div className="control flex overflow-hidden">
            {COUNTS.map((n) => (
              <label key={n} className="take-option">
                <input
                  type="radio"
                  name={`${id}-count`}
                  value={n}
                  checked={count === n}
                  aria-label={plural(n, 'variation')}
                  onChange={() => setCount(n)}
                  className="sr-only"
                />
                <span aria-hidden="true">{n}</span>
              </label>
            ))}
          </div>
        </fieldset>
      </div>
      <div className="flex flex-wrap items-center gap-x-3 gap-y-2">
        <button type="submit" className="button button-primary text-sm max-sm:w-full" aria-disabled={sending}>
          {sending ? <LoaderCircle size={16} className="animate-spin" aria-hidden="true" /> : <Shuffle size={16} aria-hidden="true" />}
          Render {plural(count, 'variation')}
        </button>
        <button type="button" className="button text-sm max-sm:w-full" onClick={onClose}>
          Close
        </button>
      </div>
      {error && (
        <ErrorNote error={error} onRetry={error.retryable ? () => void render() : undefined}>
          {error.kind === 'missing' ? 'This sound may have expired.' : ''}
        </ErrorNote>
      )}
    </form>
  )
}
