import { useState } from 'react'
import type { Sound } from '../api/types'
import { asApiError, openSound } from '../state/studio'

/** Says what a variation is one of, and leads there. */
export function Parent({ sound }: { sound: Sound }) {
  const [state, setState] = useState<'idle' | 'opening' | 'gone' | 'failed'>(sound.parent_id === null ? 'gone' : 'idle')
  const [failure, setFailure] = useState('')
  const name = sound.explanation.variation?.name ?? ''

  async function open(parentId: string) {
    setState('opening')
    try {
      await openSound(parentId)
      document.getElementById('takes')?.focus()
    } catch (cause) {
      const error = asApiError(cause)
      setState(error.kind === 'missing' ? 'gone' : 'failed')
      setFailure(error.message)
    }
  }

  return (
    <p className="flex min-w-0 gap-1 text-xs text-ink-2">
      <span className="shrink-0">Variation of</span>{' '}
      {sound.parent_id === null || state === 'gone' ? (
        <span className="min-w-0 truncate font-mono text-ink">{name}</span>
      ) : (
        <button
          type="button"
          className="min-w-0 truncate rounded-md font-mono text-ink underline decoration-edge underline-offset-2 hover:decoration-current"
          aria-disabled={state === 'opening'}
          onClick={() => state !== 'opening' && sound.parent_id !== null && void open(sound.parent_id)}
        >
          {name}
        </button>
      )}{' '}
      <span role="status" className="shrink-0">
        {state === 'opening' && 'opening'}
        {state === 'gone' && 'is gone'}
        {state === 'failed' && <span className="text-fail">{failure}</span>}
      </span>
    </p>
  )
}
