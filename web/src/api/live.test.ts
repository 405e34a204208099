import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Live, parseAudio, type LiveStatus } from './live'
import type { Job, JobMessage } from './types'

/** A socket or a stream in the hands of the test. */
class Fake extends EventTarget {
  static made: Fake[] = []
  sent: unknown[] = []
  closed = false
  binaryType = ''
  constructor(readonly url: string) {
    super()
    Fake.made.push(this)
  }
  send(text: string) {
    this.sent.push(JSON.parse(text))
  }
  close() {
    this.closed = true
  }
  open() {
    this.dispatchEvent(new Event('open'))
  }
  fall() {
    this.dispatchEvent(new Event('close'))
  }
  say(message: unknown, name = 'message') {
    this.dispatchEvent(new MessageEvent(name, { data: typeof message === 'string' ? message : JSON.stringify(message) }))
  }
}

const running = { id: 'j', version: 1, state: 'running', sounds: [] } as unknown as Job
const done = { ...running, version: 2, state: 'succeeded' } as Job

function start(options: { stream?: boolean } = {}) {
  const heard: JobMessage[] = []
  const lost: number[] = []
  const states: LiveStatus[] = []
  const readJob = vi.fn<() => Promise<Job>>(async () => running)
  const live = new Live({
    socketUrl: 'ws://x/v1/ws',
    streamUrl: (id) => `/v1/jobs/${id}/events`,
    readJob,
    WebSocket: Fake as never,
    EventSource: options.stream ? (Fake as never) : undefined,
    random: () => 1,
    onStatus: (status) => states.push(status),
  })
  const stop = live.watch('j', { message: (m) => heard.push(m), lost: (p) => lost.push(p.status) })
  return { live, heard, lost, states, readJob, stop }
}

const last = () => {
  const fake = Fake.made.at(-1)
  if (!fake) throw new Error('nothing was opened')
  return fake
}

beforeEach(() => {
  vi.useFakeTimers()
  Fake.made = []
})
afterEach(() => {
  vi.useRealTimers()
})

describe('Live', () => {
  it('subscribes when the socket opens, and ends with the final message', () => {
    const t = start()
    last().open()
    expect(last().sent).toEqual([{ type: 'subscribe', job_id: 'j', audio: false }])
    last().say({ type: 'snapshot', job_id: 'j', version: 1, job: running })
    last().say({ type: 'complete', job_id: 'j', version: 2, job: done })
    expect(t.heard.map((m) => m.type)).toEqual(['snapshot', 'complete'])
    expect(last().closed).toBe(true)
    expect(t.states).toEqual(['connecting', 'live', 'idle'])
  })

  it('connects again with growing delays and subscribes anew', () => {
    start()
    last().open()
    last().fall()
    vi.advanceTimersByTime(499)
    expect(Fake.made).toHaveLength(1)
    vi.advanceTimersByTime(1)
    expect(Fake.made).toHaveLength(2)
    last().fall()
    vi.advanceTimersByTime(999)
    expect(Fake.made).toHaveLength(2)
    vi.advanceTimersByTime(1)
    expect(Fake.made).toHaveLength(3)
    last().open()
    expect(last().sent).toEqual([{ type: 'subscribe', job_id: 'j', audio: false }])
  })

  it('ignores rubbish and news of others', () => {
    const t = start()
    last().open()
    last().say('{')
    last().say('7')
    last().say({ type: 'snapshot', job_id: 'other', version: 1, job: running })
    expect(t.heard).toEqual([])
  })

  it('says that a job is lost', () => {
    const t = start()
    last().open()
    last().say({ type: 'error', job_id: 'j', problem: { status: 404, detail: 'there is no such job' } })
    expect(t.lost).toEqual([404])
  })

  it('hears an event stream where no socket opens', () => {
    const t = start({ stream: true })
    last().fall()
    vi.advanceTimersByTime(500)
    last().fall()
    const stream = Fake.made.find((fake) => fake.url.endsWith('/events'))
    stream?.open()
    stream?.say({ type: 'snapshot', job_id: 'j', version: 1, job: running }, 'snapshot')
    expect(t.heard.map((m) => m.type)).toEqual(['snapshot'])
    expect(t.states.at(-1)).toBe('stream')
  })

  it('reads the state itself where nothing else works', async () => {
    const t = start()
    last().fall()
    await vi.advanceTimersByTimeAsync(500)
    last().fall()
    await vi.advanceTimersByTimeAsync(2000)
    expect(t.readJob).toHaveBeenCalled()
    expect(t.heard.map((m) => m.type)).toContain('snapshot')
    expect(t.states).toContain('polling')
    t.stop()
    t.readJob.mockClear()
    await vi.advanceTimersByTimeAsync(10_000)
    expect(t.readJob).not.toHaveBeenCalled()
  })

  it('takes a silent socket for dead', () => {
    start()
    last().open()
    vi.advanceTimersByTime(20_000)
    expect(last().sent).toContainEqual({ type: 'ping' })
    const first = last()
    vi.advanceTimersByTime(60_000)
    expect(first.closed).toBe(true)
    expect(Fake.made.length).toBeGreaterThan(1)
  })
})

describe('parseAudio', () => {
  it('reads the header and the samples', () => {
    const data = new DataView(new ArrayBuffer(44))
    data.setUint8(0, 0xab)
    data.setUint8(31, 0xcd)
    data.setUint32(32, 2, true)
    data.setUint32(36, 24_000, true)
    data.setInt16(40, -32_768, true)
    data.setInt16(42, 5, true)
    expect(parseAudio(data.buffer)).toEqual({
      jobId: 'ab000000-0000-0000-0000-000000000000',
      soundId: '00000000-0000-0000-0000-0000000000cd',
      attempt: 2,
      offset: 24_000,
      pcm: Int16Array.from([-32_768, 5]),
    })
  })

  it.each([0, 40, 43])('refuses %d bytes', (size) => {
    expect(parseAudio(new ArrayBuffer(size))).toBeNull()
  })
})
