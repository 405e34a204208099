import { describe, expect, it, vi } from 'vitest'
import { Client } from './client'
import { ApiError } from './problem'

const problem = (status: number, extra: object = {}, headers: Record<string, string> = {}) =>
  new Response(
    JSON.stringify({ type: '/docs#x', title: 't', status, detail: 'what is wrong', code: 'x', request_id: 'r', ...extra }),
    { status, headers: { 'Content-Type': 'application/problem+json', ...headers } },
  )

function client(...answers: (Response | Error)[]) {
  const fetch = vi.fn<typeof globalThis.fetch>(async () => {
    const answer = answers.shift()
    if (answer === undefined || answer instanceof Error) throw answer ?? new TypeError('no more answers')
    return answer
  })
  return { fetch, client: new Client({ fetch, now: () => 1_000_000, retryDelays: [0, 0] }) }
}

async function failure(promise: Promise<unknown>): Promise<ApiError> {
  const error = await promise.then(
    () => null,
    (cause: unknown) => cause,
  )
  if (!(error instanceof ApiError)) throw new Error(`not an ApiError: ${String(error)}`)
  return error
}

describe('Client', () => {
  it('sends what the server asks for', async () => {
    const { client: c, fetch } = client(Response.json({ job: { id: 'j' } }, { status: 202 }))
    expect(await c.generate({ prompt: 'kick' } as never, 'key')).toEqual({ id: 'j' })
    const [url, init] = fetch.mock.calls[0] ?? []
    expect(url).toBe('/v1/sounds/generate')
    expect(init?.headers).toMatchObject({ 'X-Requested-With': 'patchlab', 'Idempotency-Key': 'key', 'Content-Type': 'application/json' })
    expect(init?.body).toBe('{"prompt":"kick"}')
  })

  it('repeats a request without an answer under the same key', async () => {
    const { client: c, fetch } = client(new TypeError('network'), Response.json({ job: { id: 'j' } }))
    await c.generate({ prompt: 'kick' } as never, 'key')
    expect(fetch).toHaveBeenCalledTimes(2)
    expect(fetch.mock.calls[1]).toEqual(fetch.mock.calls[0])
  })

  it('says when it is offline', async () => {
    const { client: c, fetch } = client(new TypeError('a'), new TypeError('b'), new TypeError('c'))
    const error = await failure(c.generate({ prompt: 'kick' } as never, 'key'))
    expect(error).toMatchObject({ kind: 'offline', status: 0, retryable: true })
    expect(fetch).toHaveBeenCalledTimes(3)
  })

  it('maps errors to fields', async () => {
    const { client: c } = client(problem(422, { errors: [{ field: 'duration', message: 'must be 0.05 to 30 seconds' }] }))
    const error = await failure(c.interpret('x', null))
    expect(error).toMatchObject({ kind: 'fields', retryable: false, fields: { duration: 'must be 0.05 to 30 seconds' } })
  })

  it.each([
    [429, 'limited', 1_003_000],
    [503, 'unavailable', 1_003_000],
  ])('knows when to come again after %d', async (status, kind, at) => {
    const { client: c } = client(problem(status, {}, { 'Retry-After': '3' }))
    expect(await failure(c.job('j'))).toMatchObject({ kind, retryAt: at, retryable: true })
  })

  it('bears an answer that is no problem document', async () => {
    const { client: c } = client(new Response('<html>Bad gateway</html>', { status: 502 }))
    expect(await failure(c.job('j'))).toMatchObject({ kind: 'unavailable', status: 502 })
    const { client: d } = client(new Response('nonsense', { status: 200 }))
    expect(await failure(d.job('j'))).toMatchObject({ kind: 'broken' })
  })

  it('passes an abort on as it is', async () => {
    const { client: c } = client(new DOMException('gone', 'AbortError'))
    await expect(c.job('j')).rejects.toMatchObject({ name: 'AbortError' })
  })
})
