import { describe, expect, it } from 'vitest'
import type { Job, JobMessage, Pack, PackSound } from '../api/types'
import { applyToPack, count, pace, readPack, stageOf } from './pack'
import { coarser, outline } from '../lib/coarse'

function sound(n: number, part: Partial<PackSound> = {}): PackSound {
  return {
    id: `s${n}`,
    position: n,
    name: `sound-${n}`,
    prompt: 'kick',
    state: 'queued',
    source: 'drum',
    peaks: [],
    duration: null,
    size_bytes: null,
    error: null,
    download_url: null,
    waveform_url: null,
    ...part,
  }
}

function pack(version: number, state: Job['state'], sounds: PackSound[]): Pack {
  const job = { id: 'j', version, state, stage: 'rendering', progress: 0 } as Job
  return { id: 'p', name: 'Drums', theme: 'drums', state, total: sounds.length, job, sounds } as Pack
}

const progress = (id: string, percent: number, attempt = 1) =>
  ({ type: 'progress', job_id: 'j', version: 1, sound_id: id, attempt, percent, stage: 'rendering', frames: 1, total: 2 }) as unknown as JobMessage
const taken = (id: string, state: 'succeeded' | 'failed') =>
  ({
    type: 'take',
    job_id: 'j',
    version: 2,
    sound: { id, state, duration: 1, size_bytes: 9, error: state === 'failed' ? { code: 'x', message: 'no' } : null, download_url: state === 'failed' ? null : '/d' },
  }) as unknown as JobMessage
const told = (type: 'snapshot' | 'complete', version: number, state: Job['state']) =>
  ({ type, job_id: 'j', version, job: { id: 'j', version, state, stage: 'rendering' } }) as unknown as JobMessage

describe('a pack that is watched', () => {
  it('grows cell by cell', () => {
    let view = readPack(null, pack(1, 'running', [sound(0), sound(1), sound(2)]))
    expect(count(view)).toEqual({ ready: 0, running: 0, waiting: 3, failed: 0, cancelled: 0 })
    for (const message of [progress('s0', 30), progress('s0', 20), progress('s1', 10), taken('s0', 'succeeded'), progress('s0', 99), taken('s1', 'failed')]) {
      const next = applyToPack(view, message)
      expect(next.read).toBe(false)
      view = next.view
    }
    expect(count(view)).toEqual({ ready: 1, running: 0, waiting: 1, failed: 1, cancelled: 0 })
    expect(view.cells.s0).toMatchObject({ state: 'succeeded', downloadUrl: '/d', sizeBytes: 9 })
    expect(view.cells.s1?.failure).toBe('no')
  })

  it('never goes back within an attempt, and begins anew with the next', () => {
    let view = readPack(null, pack(1, 'running', [sound(0)]))
    for (const [message, want] of [
      [progress('s0', 40), 40],
      [progress('s0', 10), 40],
      [progress('s0', 5, 2), 5],
      [progress('s0', 90, 1), 5],
    ] as const) {
      view = applyToPack(view, message).view
      expect(view.cells.s0?.percent).toBe(want)
    }
  })

  it('is read again after a gap and at the end, and keeps what it knows better', () => {
    let view = readPack(null, pack(3, 'running', [sound(0), sound(1)]))
    expect(applyToPack(view, told('snapshot', 3, 'running')).read).toBe(false)
    expect(applyToPack(view, told('snapshot', 2, 'running')).view).toBe(view)
    view = applyToPack(view, taken('s0', 'succeeded')).view
    const ended = applyToPack(view, told('complete', 9, 'succeeded'))
    expect(ended.read).toBe(true)
    // A reading that is older than what was told takes nothing back.
    const late = readPack(ended.view, pack(5, 'running', [sound(0), sound(1)]))
    expect(late.job.state).toBe('succeeded')
    expect(late.cells.s0?.state).toBe('succeeded')
    const last = readPack(late, pack(9, 'succeeded', [sound(0, { state: 'succeeded', peaks: [-1, 1] }), sound(1, { state: 'failed' })]))
    expect(count(last)).toMatchObject({ ready: 1, failed: 1 })
    expect(applyToPack(last, told('snapshot', 9, 'running')).view).toBe(last)
    expect(applyToPack(last, { ...told('snapshot', 10, 'running'), job_id: 'other' }).view).toBe(last)
  })

  it('says how it stands', () => {
    expect(stageOf({ state: 'running', total: 1 }, { stage: 'assembling' })).toBe('Making the ZIP')
    expect(stageOf({ state: 'cancelled', total: 1 }, { stage: 'cancelled' })).toBe('Cancelled')
  })
})

describe('the pace', () => {
  it('is measured on what ended lately', () => {
    expect(pace([], 100_000)).toBe(null)
    expect(pace([80_000, 80_001, 80_002], 100_000)).toBe(null)
    expect(pace([95_000, 96_000, 97_000, 98_000], 100_000)).toBeCloseTo(0.8)
  })
})

describe('a small overview', () => {
  it('keeps the extremes', () => {
    expect(coarser([-1, 1, -5, 2, 0, 9, -3, 3], 2)).toEqual([-5, 2, -3, 9])
    expect(coarser([-1, 1], 24)).toEqual([-1, 1])
    expect(outline([], 48)).toBe('')
    expect(outline([-127, 127, 0, 0], 48)).toBe('M12.00 0.000V2.000M36.00 0.970V1.030')
  })
})
