import type { Problem } from './types'

/** Why a request did not succeed, as the person in front of it can act on it. */
export type ErrorKind =
  | 'offline' // no answer came at all
  | 'fields' // single fields are wrong
  | 'limited' // too many requests; retryAt says when the next one may come
  | 'unavailable' // the server answers but cannot work now
  | 'missing' // there is no such thing (or it is not ours)
  | 'refused' // any other 4xx
  | 'broken' // any other 5xx, or an answer that is not what the contract says

/** The one error that the client throws, except for AbortError. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly kind: ErrorKind
  /** The HTTP status; 0 when no answer came. */
  readonly status: number
  /** The server's stable code; '' when no problem document came. */
  readonly code: string
  readonly requestId: string
  /** Messages by the name of the field in the request. */
  readonly fields: Readonly<Record<string, string>>
  /** When another try makes sense, in ms since 1970; null when the server did not say. */
  readonly retryAt: number | null

  constructor(init: {
    kind: ErrorKind
    message: string
    status?: number
    code?: string
    requestId?: string
    fields?: Record<string, string>
    retryAt?: number | null
    cause?: unknown
  }) {
    super(init.message, { cause: init.cause })
    this.kind = init.kind
    this.status = init.status ?? 0
    this.code = init.code ?? ''
    this.requestId = init.requestId ?? ''
    this.fields = init.fields ?? {}
    this.retryAt = init.retryAt ?? null
  }

  /** Whether the very same request may succeed later. */
  get retryable(): boolean {
    return this.kind === 'offline' || this.kind === 'limited' || this.kind === 'unavailable' || this.kind === 'broken'
  }
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError'
}

function isProblem(value: unknown): value is Problem {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as Problem).detail === 'string' &&
    typeof (value as Problem).code === 'string'
  )
}

/** Reads Retry-After (seconds or an HTTP date) as ms since 1970. */
export function retryAfter(header: string | null, now: number): number | null {
  if (header === null || header.trim() === '') return null
  const seconds = Number(header)
  if (Number.isFinite(seconds)) return now + Math.max(0, seconds) * 1000
  const date = Date.parse(header)
  return Number.isNaN(date) ? null : Math.max(now, date)
}

function kindOf(status: number, hasFields: boolean): ErrorKind {
  if (status === 429) return 'limited'
  if (status === 404) return 'missing'
  if (status === 502 || status === 503 || status === 504) return 'unavailable'
  if (status >= 500) return 'broken'
  return hasFields ? 'fields' : 'refused'
}

/** Turns the body of a failed answer, a problem document or not, into an ApiError. */
export function toApiError(status: number, headers: Headers, body: unknown, now: number): ApiError {
  const fields: Record<string, string> = {}
  const problem = isProblem(body) ? body : null
  for (const { field, message } of problem?.errors ?? []) {
    // The first message of a field is the one that is shown.
    fields[field] ??= message
  }
  const kind = kindOf(status, Object.keys(fields).length > 0)
  return new ApiError({
    kind,
    status,
    message: problem?.detail || problem?.title || `The server answered with status ${status}.`,
    code: problem?.code ?? '',
    requestId: problem?.request_id ?? headers.get('X-Request-Id') ?? '',
    fields,
    retryAt: kind === 'limited' || kind === 'unavailable' ? retryAfter(headers.get('Retry-After'), now) : null,
  })
}
