import type { Job, JobMessage, MessageProgress, MessageWaveform, Sound } from '../api/types'
import { isFinal } from '../api/types'

/** How far one take has come; fleeting. Orders by attempt, then frames. */
export interface TakeProgress {
  attempt: number
  stage: string
  percent: number
  frames: number
  total: number
  queuePosition: number | null
  etaSeconds: number | null
  /** min, max, min, max, … of what is rendered so far. */
  peaks: readonly number[]
  /** Frames that the peaks cover. */
  peakFrames: number
}

/** A job as the page knows it. */
export interface JobView {
  job: Job
  progress: Readonly<Record<string, TakeProgress>>
}

/** How a take is shown: a render may be heard of before the state that says it runs. */
export type TakeState = 'waiting' | 'rendering' | 'ready' | 'failed' | 'cancelled'

export function takeState(sound: Sound, progress: TakeProgress | undefined): TakeState {
  switch (sound.state) {
    case 'succeeded':
      return 'ready'
    case 'failed':
      return 'failed'
    case 'cancelled':
      return 'cancelled'
    case 'running':
      return 'rendering'
    default:
      return progress && progress.frames > 0 ? 'rendering' : 'waiting'
  }
}

/**
 * Takes a message into the view. Versions order what the database knows: older
 * ones are dropped. Progress orders by (attempt, frames), and none counts for a
 * take that is final. The same view comes back where nothing changed.
 */
export function applyMessage(view: JobView | null, message: JobMessage): JobView | null {
  switch (message.type) {
    case 'progress':
    case 'waveform':
      return view && applyProgress(view, message)
    case 'take': {
      if (!view || message.version < view.job.version) return view
      const sounds = view.job.sounds.map((sound) => (sound.id === message.sound.id ? message.sound : sound))
      return { ...view, job: { ...view.job, version: message.version, sounds } }
    }
    default:
      if (view && message.version < view.job.version) return view
      // A final job stays final, even should an equal version arrive twice and differ.
      if (view && isFinal(view.job.state) && !isFinal(message.job.state)) return view
      return { job: message.job, progress: view?.progress ?? {} }
  }
}

const NOTHING: TakeProgress = {
  attempt: 0,
  stage: '',
  percent: 0,
  frames: 0,
  total: 0,
  queuePosition: null,
  etaSeconds: null,
  peaks: [],
  peakFrames: 0,
}

function applyProgress(view: JobView, message: MessageProgress | MessageWaveform): JobView {
  const sound = view.job.sounds.find((s) => s.id === message.sound_id)
  if (!sound || message.sound_id === null || isFinal(sound.state)) return view
  const known = view.progress[message.sound_id] ?? NOTHING
  if (message.attempt < known.attempt) return view
  // A new attempt starts again from nothing.
  const base = message.attempt > known.attempt ? { ...NOTHING, attempt: message.attempt } : known

  let next: TakeProgress
  if (message.type === 'progress') {
    if (message.frames < base.frames) return view
    next = {
      ...base,
      stage: message.stage,
      percent: message.percent,
      frames: message.frames,
      total: message.total,
      queuePosition: message.queue_position,
      etaSeconds: message.eta_seconds,
    }
  } else {
    if (message.frames < base.peakFrames) return view
    next = { ...base, peaks: message.peaks, peakFrames: message.frames, total: message.total || base.total }
  }
  return { ...view, progress: { ...view.progress, [message.sound_id]: next } }
}
