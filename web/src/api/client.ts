import { ApiError, isAbort, toApiError } from './problem'
import type { GenerateRequest, Interpretation, Job, Pack, PackList, PackPlan, PackRequest, Recipe, Sound, SoundList, VariationsRequest, Waveform } from './types'

export interface ClientOptions {
  fetch?: typeof fetch
  now?: () => number
  /** Waits between tries of an idempotent request that got no answer, in ms. */
  retryDelays?: readonly number[]
}

interface RequestOptions {
  method?: 'GET' | 'POST' | 'DELETE'
  body?: unknown
  headers?: Record<string, string>
  signal?: AbortSignal | undefined
  /** Try again by itself when no answer came: only for requests that are safe to repeat. */
  retry?: boolean
}

/** The typed client of /v1. Every failure but an abort is an ApiError. */
export class Client {
  readonly #fetch: typeof fetch
  readonly #now: () => number
  readonly #retryDelays: readonly number[]

  constructor(options: ClientOptions = {}) {
    this.#fetch = options.fetch ?? ((input, init) => fetch(input, init))
    this.#now = options.now ?? Date.now
    this.#retryDelays = options.retryDelays ?? [300, 1200]
  }

  /**
   * Asks for takes. The key belongs to one action of the person: it is sent
   * again with every repeat of that action, so that a lost answer never renders twice.
   */
  generate(request: GenerateRequest, idempotencyKey: string, signal?: AbortSignal): Promise<Job> {
    return this.#order('/v1/sounds/generate', request, idempotencyKey, signal)
  }

  /** Asks for variations of a sound; the key is as that of generate. */
  vary(soundId: string, request: VariationsRequest, idempotencyKey: string, signal?: AbortSignal): Promise<Job> {
    return this.#order(`/v1/sounds/${encodeURIComponent(soundId)}/variations`, request, idempotencyKey, signal)
  }

  async #order(url: string, request: unknown, idempotencyKey: string, signal: AbortSignal | undefined): Promise<Job> {
    const answer = await this.#json<{ job: Job }>(url, {
      method: 'POST',
      body: request,
      headers: { 'Idempotency-Key': idempotencyKey },
      signal,
      retry: true,
    })
    return answer.job
  }

  interpret(prompt: string, seed: number | null, signal?: AbortSignal): Promise<Interpretation> {
    const query = new URLSearchParams({ prompt })
    if (seed !== null) query.set('seed', String(seed))
    return this.#json(`/v1/interpret?${query}`, { signal })
  }

  async job(id: string, signal?: AbortSignal): Promise<Job> {
    const answer = await this.#json<{ job: Job }>(`/v1/jobs/${encodeURIComponent(id)}`, { signal })
    return answer.job
  }

  /** Ends a job. One that has ended stays as it is, so it is safe to repeat. */
  async cancel(id: string, signal?: AbortSignal): Promise<Job> {
    const answer = await this.#json<{ job: Job }>(`/v1/jobs/${encodeURIComponent(id)}`, { method: 'DELETE', signal, retry: true })
    return answer.job
  }

  sound(id: string, signal?: AbortSignal): Promise<Sound> {
    return this.#json(`/v1/sounds/${encodeURIComponent(id)}`, { signal, retry: true })
  }

  sounds(cursor: string | null, limit: number, signal?: AbortSignal): Promise<SoundList> {
    const query = new URLSearchParams({ limit: String(limit) })
    if (cursor !== null) query.set('cursor', cursor)
    return this.#json(`/v1/sounds?${query}`, { signal, retry: true })
  }

  /** Splits a theme into the sounds of a pack. Nothing is rendered yet. */
  planPack(theme: string, count: number, signal?: AbortSignal): Promise<PackPlan> {
    return this.#json('/v1/packs/plan', { method: 'POST', body: { theme, count }, signal, retry: true })
  }

  /** Asks for a pack; the key is as that of generate. */
  async createPack(request: PackRequest, idempotencyKey: string, signal?: AbortSignal): Promise<Pack> {
    const answer = await this.#json<{ pack: Pack }>('/v1/packs', {
      method: 'POST',
      body: request,
      headers: { 'Idempotency-Key': idempotencyKey },
      signal,
      retry: true,
    })
    return answer.pack
  }

  packs(cursor: string | null, limit: number, signal?: AbortSignal): Promise<PackList> {
    const query = new URLSearchParams({ limit: String(limit) })
    if (cursor !== null) query.set('cursor', cursor)
    return this.#json(`/v1/packs?${query}`, { signal, retry: true })
  }

  /** A pack with its sounds. */
  pack(id: string, signal?: AbortSignal): Promise<Pack> {
    return this.#json(`/v1/packs/${encodeURIComponent(id)}`, { signal, retry: true })
  }

  /** Renders again what of a pack failed or was cancelled. */
  async rebuildPack(id: string, signal?: AbortSignal): Promise<Pack> {
    const answer = await this.#json<{ pack: Pack }>(`/v1/packs/${encodeURIComponent(id)}/rebuild`, { method: 'POST', signal })
    return answer.pack
  }

  async deletePack(id: string, signal?: AbortSignal): Promise<void> {
    await this.#json(`/v1/packs/${encodeURIComponent(id)}`, { method: 'DELETE', signal })
  }

  waveform(sound: Pick<Sound, 'waveform_url'>, signal?: AbortSignal): Promise<Waveform> {
    return this.#json(sound.waveform_url ?? '', { signal, retry: true })
  }

  recipe(sound: Pick<Sound, 'recipe_url'>, signal?: AbortSignal): Promise<Recipe> {
    return this.#json(sound.recipe_url, { signal })
  }

  async #json<T>(url: string, options: RequestOptions): Promise<T> {
    const response = await this.#send(url, options)
    let body: unknown
    try {
      const text = await response.text()
      body = text === '' ? null : JSON.parse(text)
    } catch (cause) {
      if (isAbort(cause)) throw cause
      if (response.ok) {
        throw new ApiError({
          kind: 'broken',
          status: response.status,
          message: 'The answer could not be read. Try again.',
          cause,
        })
      }
      body = null
    }
    if (!response.ok) throw toApiError(response.status, response.headers, body, this.#now())
    return body as T
  }

  async #send(url: string, { method = 'GET', body, headers, signal, retry }: RequestOptions): Promise<Response> {
    const init: RequestInit = {
      method,
      credentials: 'same-origin',
      headers: {
        Accept: 'application/json, application/problem+json',
        'X-Requested-With': 'patchlab',
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal ? { signal } : {}),
    }
    const delays = retry ? this.#retryDelays : []
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#fetch(url, init)
      } catch (cause) {
        if (isAbort(cause) || signal?.aborted) throw cause
        const delay = delays[attempt]
        if (delay === undefined) {
          throw new ApiError({ kind: 'offline', message: 'PatchLAB cannot be reached.', cause })
        }
        await pause(delay, signal)
      }
    }
  }
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop)
      resolve()
    }, ms)
    function stop() {
      clearTimeout(timer)
      reject(new DOMException('aborted', 'AbortError'))
    }
    signal?.addEventListener('abort', stop, { once: true })
  })
}
