import { CloudOff, Hourglass, TriangleAlert } from 'lucide-react'
import { useEffect, useState } from 'react'
import type { ApiError } from '../api/problem'
import { wait } from '../lib/format'

const TITLE: Record<ApiError['kind'], string> = {
  offline: 'PatchLAB cannot be reached.',
  fields: 'Something in the form is not right.',
  limited: 'Too many requests for now.',
  unavailable: 'The farm cannot work just now.',
  missing: 'There is no such thing.',
  refused: 'This was refused.',
  broken: 'The server failed.',
}

interface ErrorNoteProps {
  error: ApiError
  /** Does again what failed. */
  onRetry?: (() => void) | undefined
  retryText?: string
  /** Whether a control shows what is wrong with a field; the others are named here. */
  shows?: (field: string) => boolean
  /** Says what is kept, or what else can be done. */
  children?: string
}

/** What happened, and what to do. */
export function ErrorNote({ error, onRetry, retryText = 'Try again', shows = inStudio, children }: ErrorNoteProps) {
  const left = useCountdown(error.retryAt)
  const Icon = error.kind === 'offline' ? CloudOff : error.kind === 'limited' ? Hourglass : TriangleAlert
  const blocked = left > 0
  return (
    <div role="alert" className="flex items-start gap-2 text-sm">
      <Icon size={16} className="mt-0.5 shrink-0 text-fail" aria-hidden="true" />
      <p className="min-w-0 grow">
        <span className="font-medium">{TITLE[error.kind]}</span>{' '}
        <span className="text-ink-2">
          {error.kind === 'offline' ? 'Check the connection.' : error.kind === 'fields' ? fieldList(error, shows) : error.message}
          {blocked && (
            <>
              {' '}
              Again in <span className="font-mono text-ink">{wait(left)}</span>.
            </>
          )}
          {children && ` ${children}`}
        </span>
        {error.requestId && error.kind === 'broken' && (
          <span className="block font-mono text-xs text-ink-3">request {error.requestId}</span>
        )}
      </p>
      {onRetry && (
        <button type="button" className="button button-line -my-1.5 shrink-0" aria-disabled={blocked} onClick={() => !blocked && onRetry()}>
          {retryText}
        </button>
      )}
    </div>
  )
}

/** Fields that no control shows are named here; the others stand under their control. */
const SHOWN = new Set(['prompt', 'variations', 'duration', 'seed', 'sample_rate', 'bit_depth', 'channels'])

function inStudio(field: string): boolean {
  return SHOWN.has(field)
}

function fieldList(error: ApiError, shows: (field: string) => boolean): string {
  const others = Object.entries(error.fields).filter(([field]) => !shows(field))
  if (others.length === 0) return 'See the marked fields.'
  return others.map(([field, message]) => `${field}: ${message}`).join('; ')
}

/** The seconds left until a time, each second. */
function useCountdown(until: number | null): number {
  const [now, setNow] = useState(() => Date.now())
  useEffect(() => {
    if (until === null) return
    setNow(Date.now())
    const timer = setInterval(() => {
      setNow(Date.now())
      if (Date.now() >= until) clearInterval(timer)
    }, 1000)
    return () => clearInterval(timer)
  }, [until])
  return until === null ? 0 : Math.max(0, Math.ceil((until - now) / 1000))
}
