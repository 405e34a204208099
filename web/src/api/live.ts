import type { Job, JobMessage, Problem } from './types'
import { isFinal } from './types'

/** How the page hears of its jobs just now. */
export type LiveStatus = 'idle' | 'connecting' | 'live' | 'stream' | 'polling'

/** A stretch of preview sound: 16-bit mono at 24 kHz. */
export interface AudioChunk {
  jobId: string
  soundId: string
  attempt: number
  /** Place in the sound, in samples. */
  offset: number
  pcm: Int16Array
}

export interface Listener {
  message: (message: JobMessage) => void
  /** The job cannot be watched: it does not exist, or is not ours. The watch has ended. */
  lost?: (problem: { status: number; detail: string }) => void
}

/** What is needed of a WebSocket; a stand-in takes its place in tests. */
type SocketConstructor = new (url: string) => WebSocket
type StreamConstructor = new (url: string) => EventSource

export interface LiveOptions {
  socketUrl: string
  streamUrl: (jobId: string) => string
  /** Reads a job's state; the last resort. Rejects with an error that has a `status`. */
  readJob: (jobId: string, signal: AbortSignal) => Promise<Job>
  WebSocket?: SocketConstructor
  EventSource?: StreamConstructor | undefined
  random?: () => number
  onStatus?: (status: LiveStatus) => void
}

interface Watch {
  listener: Listener
  audio: ((chunk: AudioChunk) => void) | null
  stream: EventSource | null
  streamOpen: boolean
  streamFailures: number
  poll: AbortController | null
}

const FIRST_DELAY = 500
const MAX_DELAY = 15_000
const POLL_EVERY = 2_000
const PING_EVERY = 20_000
/** Silence after which an open socket is held to be dead. */
const SILENCE = 50_000
/** Sockets that never opened before event streams are tried. */
const OPENS_BEFORE_STREAM = 2
const STREAM_FAILURES = 2
const AUDIO_HEADER = 40

/**
 * Watches jobs over one WebSocket, and heals by itself: it reconnects with
 * growing, jittered delays and subscribes again. Where no socket opens, each job
 * is heard over an event stream; where that fails too, its state is read every
 * two seconds. A better way, once it opens, replaces the worse one.
 *
 * Messages are handed on as they come. Order is the business of applyMessage
 * (state/jobs.ts), which drops what is older than what it knows.
 */
export class Live {
  readonly #options: LiveOptions
  readonly #Socket: SocketConstructor
  readonly #Stream: StreamConstructor | undefined
  readonly #random: () => number
  readonly #watches = new Map<string, Watch>()

  #socket: WebSocket | null = null
  #open = false
  #failedOpens = 0
  #delay = FIRST_DELAY
  #reconnect: ReturnType<typeof setTimeout> | undefined
  #poller: ReturnType<typeof setInterval> | undefined
  #pinger: ReturnType<typeof setInterval> | undefined
  #heard = 0
  #status: LiveStatus = 'idle'

  constructor(options: LiveOptions) {
    this.#options = options
    this.#Socket = options.WebSocket ?? WebSocket
    this.#Stream = 'EventSource' in options ? options.EventSource : globalThis.EventSource
    this.#random = options.random ?? Math.random
  }

  get status(): LiveStatus {
    return this.#status
  }

  /** Watches a job until it is final, is lost, or the returned function is called. */
  watch(jobId: string, listener: Listener): () => void {
    this.#drop(jobId)
    const watch: Watch = { listener, audio: null, stream: null, streamOpen: false, streamFailures: 0, poll: null }
    this.#watches.set(jobId, watch)
    if (this.#open) this.#subscribe(jobId, watch)
    this.#reconcile()
    return () => {
      if (this.#watches.get(jobId) === watch) this.#end(jobId)
    }
  }

  /** Asks for a watched job's preview sound, or stops asking. Only a socket can carry it. */
  listen(jobId: string, audio: ((chunk: AudioChunk) => void) | null): boolean {
    const watch = this.#watches.get(jobId)
    if (!watch) return false
    watch.audio = audio
    if (!this.#open) return false
    this.#subscribe(jobId, watch)
    return true
  }

  /** Tries again at once: the network has come back, or the page is looked at again. */
  wake(): void {
    if (this.#watches.size === 0 || this.#open || this.#socket) return
    clearTimeout(this.#reconnect)
    this.#reconnect = undefined
    this.#delay = FIRST_DELAY
    this.#reconcile()
  }

  close(): void {
    for (const jobId of this.#watches.keys()) this.#drop(jobId)
    this.#reconcile()
  }

  #end(jobId: string): void {
    if (this.#open) this.#send({ type: 'unsubscribe', job_id: jobId })
    this.#drop(jobId)
    this.#reconcile()
  }

  #drop(jobId: string): void {
    const watch = this.#watches.get(jobId)
    if (!watch) return
    watch.stream?.close()
    watch.poll?.abort()
    this.#watches.delete(jobId)
  }

  /** Brings sockets, streams and polling in line with what is watched and what is open. */
  #reconcile(): void {
    if (this.#watches.size === 0) {
      this.#hangUp()
      clearTimeout(this.#reconnect)
      this.#reconnect = undefined
      this.#stopPolling()
      this.#delay = FIRST_DELAY
      this.#failedOpens = 0
      this.#tell()
      return
    }
    if (this.#open) {
      this.#stopPolling()
      for (const watch of this.#watches.values()) {
        watch.stream?.close()
        watch.stream = null
        watch.streamOpen = false
        watch.poll?.abort()
        watch.poll = null
      }
    } else {
      if (!this.#socket && this.#reconnect === undefined) this.#connect()
      if (this.#failedOpens >= OPENS_BEFORE_STREAM) this.#openStreams()
      this.#poller ??= setInterval(() => this.#pollAll(), POLL_EVERY)
    }
    this.#tell()
  }

  #tell(): void {
    const watches = [...this.#watches.values()]
    let status: LiveStatus = 'connecting'
    if (watches.length === 0) status = 'idle'
    else if (this.#open) status = 'live'
    else if (watches.every((watch) => watch.streamOpen)) status = 'stream'
    else if (this.#failedOpens >= OPENS_BEFORE_STREAM) status = 'polling'
    if (status === this.#status) return
    this.#status = status
    this.#options.onStatus?.(status)
  }

  // The socket.

  #connect(): void {
    const socket = new this.#Socket(this.#options.socketUrl)
    socket.binaryType = 'arraybuffer'
    this.#socket = socket
    socket.addEventListener('open', () => {
      if (this.#socket !== socket) return
      this.#open = true
      this.#failedOpens = 0
      this.#heard = Date.now()
      this.#pinger = setInterval(() => this.#ping(), PING_EVERY)
      for (const [jobId, watch] of this.#watches) this.#subscribe(jobId, watch)
      this.#reconcile()
    })
    socket.addEventListener('message', (event: MessageEvent<unknown>) => {
      if (this.#socket !== socket) return
      this.#heard = Date.now()
      // Only a connection that carries something proves itself: one that opens and falls at once must back off.
      this.#delay = FIRST_DELAY
      if (event.data instanceof ArrayBuffer) this.#hearAudio(event.data)
      else if (typeof event.data === 'string') this.#hear(event.data)
    })
    socket.addEventListener('close', () => {
      if (this.#socket !== socket) return
      if (!this.#open) this.#failedOpens++
      this.#forgetSocket()
      if (this.#watches.size > 0) this.#later()
      this.#reconcile()
    })
  }

  #later(): void {
    const wait = this.#delay * (0.5 + this.#random() / 2)
    this.#delay = Math.min(MAX_DELAY, this.#delay * 2)
    this.#reconnect = setTimeout(() => {
      this.#reconnect = undefined
      this.#reconcile()
    }, wait)
  }

  #forgetSocket(): void {
    this.#socket = null
    this.#open = false
    clearInterval(this.#pinger)
  }

  #hangUp(): void {
    const socket = this.#socket
    this.#forgetSocket()
    socket?.close()
  }

  #ping(): void {
    if (Date.now() - this.#heard > SILENCE) {
      this.#hangUp()
      this.#later()
      this.#reconcile()
      return
    }
    this.#send({ type: 'ping' })
  }

  #send(message: Record<string, unknown>): void {
    this.#socket?.send(JSON.stringify(message))
  }

  #subscribe(jobId: string, watch: Watch): void {
    this.#send({ type: 'subscribe', job_id: jobId, audio: watch.audio !== null })
  }

  // The event streams.

  #openStreams(): void {
    const Stream = this.#Stream
    if (!Stream) return
    for (const [jobId, watch] of this.#watches) {
      if (watch.stream || watch.streamFailures >= STREAM_FAILURES) continue
      const stream = new Stream(this.#options.streamUrl(jobId))
      watch.stream = stream
      const hear = (event: MessageEvent<string>) => {
        if (watch.stream === stream) this.#hear(event.data)
      }
      for (const name of ['snapshot', 'progress', 'waveform', 'take', 'complete', 'failed', 'cancelled']) {
        stream.addEventListener(name, hear)
      }
      stream.addEventListener('open', () => {
        if (watch.stream !== stream) return
        watch.streamOpen = true
        watch.poll?.abort()
        watch.poll = null
        this.#tell()
      })
      stream.addEventListener('error', () => {
        if (watch.stream !== stream) return
        // The browser would try again for ever, and every three seconds: polling takes over instead.
        stream.close()
        watch.stream = null
        if (!watch.streamOpen) watch.streamFailures++
        watch.streamOpen = false
        this.#tell()
      })
    }
  }

  // Polling.

  #stopPolling(): void {
    clearInterval(this.#poller)
    this.#poller = undefined
  }

  #pollAll(): void {
    if (this.#failedOpens >= OPENS_BEFORE_STREAM) this.#openStreams()
    for (const [jobId, watch] of this.#watches) {
      if (watch.streamOpen || watch.poll) continue
      const poll = new AbortController()
      watch.poll = poll
      void this.#poll(jobId, watch, poll)
    }
  }

  async #poll(jobId: string, watch: Watch, poll: AbortController): Promise<void> {
    try {
      const job = await this.#options.readJob(jobId, poll.signal)
      if (poll.signal.aborted) return
      this.#hand({ type: 'snapshot', job_id: jobId, version: job.version, job })
    } catch (error) {
      if (poll.signal.aborted) return
      const status = typeof error === 'object' && error !== null && 'status' in error ? Number(error.status) : 0
      if (status === 404) this.#lose(jobId, { status, detail: error instanceof Error ? error.message : '' })
    } finally {
      if (watch.poll === poll) watch.poll = null
    }
  }

  // What comes in.

  #hear(text: string): void {
    let message: unknown
    try {
      message = JSON.parse(text)
    } catch {
      return
    }
    if (typeof message !== 'object' || message === null || !('type' in message)) return
    switch (message.type) {
      case 'snapshot':
      case 'complete':
      case 'failed':
      case 'cancelled':
      case 'progress':
      case 'waveform':
      case 'take':
        this.#hand(message as JobMessage)
        return
      case 'error': {
        const { job_id: jobId, problem } = message as { job_id?: string; problem?: Problem }
        if (jobId && problem?.status === 404) this.#lose(jobId, problem)
      }
    }
  }

  #hand(message: JobMessage): void {
    const watch = this.#watches.get(message.job_id)
    if (!watch) return
    if ('job' in message && isFinal(message.job.state)) {
      // A final job changes no more: whatever carried this has nothing more to say.
      this.#end(message.job_id)
    }
    watch.listener.message(message)
  }

  #lose(jobId: string, problem: { status: number; detail: string }): void {
    const watch = this.#watches.get(jobId)
    if (!watch) return
    this.#drop(jobId)
    this.#reconcile()
    watch.listener.lost?.({ status: problem.status, detail: problem.detail })
  }

  #hearAudio(data: ArrayBuffer): void {
    const chunk = parseAudio(data)
    if (chunk) this.#watches.get(chunk.jobId)?.audio?.(chunk)
  }
}

/** Reads a binary message: job id, sound id, attempt, offset, then samples, all little-endian. */
export function parseAudio(data: ArrayBuffer): AudioChunk | null {
  if (data.byteLength <= AUDIO_HEADER || (data.byteLength - AUDIO_HEADER) % 2 !== 0) return null
  const view = new DataView(data)
  const pcm = new Int16Array((data.byteLength - AUDIO_HEADER) / 2)
  for (let i = 0; i < pcm.length; i++) pcm[i] = view.getInt16(AUDIO_HEADER + 2 * i, true)
  return {
    jobId: uuid(new Uint8Array(data, 0, 16)),
    soundId: uuid(new Uint8Array(data, 16, 16)),
    attempt: view.getUint32(32, true),
    offset: view.getUint32(36, true),
    pcm,
  }
}

function uuid(bytes: Uint8Array): string {
  const hex = Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
