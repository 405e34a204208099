import type { AudioChunk } from '../api/live'
import { pause, play, usePlayer } from './player'

/** The rate of preview sound, in Hz. A context of that rate joins chunks without a seam. */
const RATE = 24_000
/** Sound that is waited for before it starts, so that a late chunk does not tear it. */
const CUSHION = 0.15

type Listen = (jobId: string, audio: ((chunk: AudioChunk) => void) | null) => boolean

interface Session {
  jobId: string
  soundId: string
  attempt: number
  listen: Listen
  context: AudioContext
  /** The context's time at which sample 0 of the sound would sound; null until the first chunk. */
  origin: number | null
}

let session: Session | null = null
let frame = 0

usePlayer.subscribe(({ id }) => {
  // Another sound was started: one is heard at a time.
  if (session && id !== session.soundId) stopPreview()
})

/** Plays a sound while it renders: from the next block that comes, until the file takes over. */
export function startPreview(jobId: string, soundId: string, listen: Listen): void {
  stopPreview()
  pause()
  const context = new AudioContext({ sampleRate: RATE })
  session = { jobId, soundId, attempt: 0, listen, context, origin: null }
  usePlayer.setState({ id: soundId, playing: true, preview: true, time: 0, failed: null })
  listen(jobId, hear)
  frame = requestAnimationFrame(follow)
}

export function stopPreview(): void {
  if (!session) return
  const { listen, jobId, context } = session
  session = null
  cancelAnimationFrame(frame)
  listen(jobId, null)
  void context.close()
  usePlayer.setState({ playing: false, preview: false })
}

/** The sound is ready: its file goes on from where the preview stands. */
export function handOver(soundId: string, url: string): void {
  if (session?.soundId !== soundId) return
  const from = place(session)
  stopPreview()
  // The file is not what the player holds under this id: make it load.
  usePlayer.setState({ id: null })
  play(soundId, url, from)
}

/** The sound will not come: stop waiting for it. */
export function abandon(soundId: string): void {
  if (session?.soundId === soundId) stopPreview()
}

function place({ origin, context }: Session): number {
  return origin === null ? 0 : Math.max(0, context.currentTime - origin)
}

function follow(): void {
  if (!session) return
  usePlayer.setState({ time: place(session) })
  frame = requestAnimationFrame(follow)
}

function hear(chunk: AudioChunk): void {
  if (!session || chunk.soundId !== session.soundId || chunk.attempt < session.attempt) return
  const { context } = session
  if (chunk.attempt > session.attempt) {
    session.attempt = chunk.attempt
    session.origin = null
  }
  const offset = chunk.offset / RATE
  const soonest = context.currentTime + CUSHION
  session.origin ??= soonest - offset
  // The renderer is slower than the ear: wait for it rather than skip.
  if (session.origin + offset < context.currentTime) session.origin = soonest - offset

  const buffer = context.createBuffer(1, chunk.pcm.length, RATE)
  const samples = buffer.getChannelData(0)
  for (let i = 0; i < chunk.pcm.length; i++) samples[i] = (chunk.pcm[i] ?? 0) / 32_768
  const node = context.createBufferSource()
  node.buffer = buffer
  node.connect(context.destination)
  node.start(session.origin + offset)
}
