import { describe, expect, it } from 'vitest'
import type { Job, JobMessage, Sound, State } from '../api/types'
import { applyMessage, takeState, type JobView } from './jobs'

const sound = (state: State, id = 's1') => ({ id, state, position: 0 }) as Sound
const job = (version: number, state: State, sounds: Sound[] = [sound('running')]) => ({ id: 'j', version, state, sounds }) as Job

function snapshot(version: number, state: State, sounds?: Sound[]): JobMessage {
  return { type: 'snapshot', job_id: 'j', version, job: job(version, state, sounds) }
}

function progress(attempt: number, frames: number): JobMessage {
  return {
    type: 'progress', job_id: 'j', sound_id: 's1', attempt, stage: 'rendering', percent: frames / 10, frames, total: 1000,
    queue_position: null, eta_seconds: null,
  }
}

function waveform(attempt: number, frames: number, peaks: number[]): JobMessage {
  return { type: 'waveform', job_id: 'j', sound_id: 's1', attempt, frames, total: 1000, peaks }
}

function after(...messages: JobMessage[]): JobView {
  let view: JobView | null = null
  for (const message of messages) view = applyMessage(view, message)
  if (view === null) throw new Error('no view')
  return view
}

describe('applyMessage', () => {
  it('drops what is older than what it knows', () => {
    const view = after(snapshot(3, 'running'), snapshot(2, 'queued'))
    expect(view.job.version).toBe(3)
    expect(view.job.state).toBe('running')
  })

  it('never leaves a final state', () => {
    const view = after(snapshot(3, 'succeeded', [sound('succeeded')]), snapshot(3, 'running'))
    expect(view.job.state).toBe('succeeded')
  })

  it('knows nothing before a snapshot', () => {
    expect(applyMessage(null, progress(1, 10))).toBeNull()
  })

  it('orders progress by attempt and frames', () => {
    const view = after(snapshot(1, 'running'), progress(1, 500), progress(1, 400), waveform(1, 500, [-1, 1]), waveform(1, 300, []))
    expect(view.progress.s1?.frames).toBe(500)
    expect(view.progress.s1?.peaks).toEqual([-1, 1])
    const again = applyMessage(applyMessage(view, progress(2, 10)), progress(1, 900))
    expect(again?.progress.s1).toMatchObject({ attempt: 2, frames: 10, peaks: [] })
  })

  it('hears no progress of a take that is final', () => {
    const view = after(snapshot(2, 'running', [sound('succeeded')]), progress(1, 500))
    expect(view.progress).toEqual({})
  })

  it('puts a finished take in its place', () => {
    const view = after(snapshot(1, 'running', [sound('running'), sound('running', 's2')]), {
      type: 'take', job_id: 'j', version: 2, sound: sound('succeeded', 's2'),
    })
    expect(view.job.sounds.map((s) => s.state)).toEqual(['running', 'succeeded'])
    expect(view.job.version).toBe(2)
    expect(applyMessage(view, { type: 'take', job_id: 'j', version: 1, sound: sound('failed') })).toBe(view)
  })
})

describe('takeState', () => {
  it('shows a render before the state says so', () => {
    expect(takeState(sound('queued'), undefined)).toBe('waiting')
    const rendering = after(snapshot(1, 'queued', [sound('queued')]), progress(1, 5)).progress.s1
    expect(takeState(sound('queued'), rendering)).toBe('rendering')
    expect(takeState(sound('failed'), rendering)).toBe('failed')
  })
})
