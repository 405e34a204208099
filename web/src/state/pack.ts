import type { Job, JobMessage, Pack, PackSound, State } from '../api/types'
import { isFinal } from '../api/types'
import { CELL_STRETCHES, coarser } from '../lib/coarse'

/** One sound of a pack, as a cell of the farm view shows it. */
export interface Cell {
  id: string
  position: number
  name: string
  prompt: string
  state: State
  source: string
  peaks: readonly number[]
  duration: number | null
  sizeBytes: number | null
  failure: string | null
  downloadUrl: string | null
  /** Of the attempt that runs, 0..100. */
  percent: number
  attempt: number
}

/** A pack as the page knows it. */
export interface PackView {
  pack: Pack
  job: Job
  /** Ids of the sounds in order. */
  order: readonly string[]
  cells: Readonly<Record<string, Cell>>
}

function newCell(sound: PackSound, known: Cell | undefined): Cell {
  return {
    id: sound.id,
    position: sound.position,
    name: sound.name,
    prompt: sound.prompt,
    state: sound.state,
    source: sound.source,
    peaks: sound.peaks.length > 0 ? sound.peaks : isFinal(sound.state) ? [] : (known?.peaks ?? []),
    duration: sound.duration,
    sizeBytes: sound.size_bytes,
    failure: sound.error?.message ?? null,
    downloadUrl: sound.download_url,
    percent: sound.state === 'running' ? (known?.percent ?? 0) : 0,
    attempt: known?.attempt ?? 0,
  }
}

/** Takes in a pack with its sounds, as it was read. */
export function readPack(before: PackView | null, pack: Pack): PackView {
  const same = before && before.pack.id === pack.id ? before : null
  // The live link may be ahead of what was read; then another reading follows.
  const ahead = same !== null && same.job.id === pack.job.id && same.job.version > pack.job.version
  const cells: Record<string, Cell> = {}
  const order: string[] = []
  for (const sound of pack.sounds ?? []) {
    const known = same?.cells[sound.id]
    order.push(sound.id)
    cells[sound.id] = ahead && known && isFinal(known.state) && !isFinal(sound.state) ? known : newCell(sound, known)
  }
  return { pack, job: ahead ? same.job : pack.job, order, cells }
}

/** What a message makes of a pack, and whether the pack should be read again for what it does not tell. */
export function applyToPack(view: PackView, message: JobMessage): { view: PackView; read: boolean } {
  if (message.job_id !== view.job.id) return { view, read: false }
  switch (message.type) {
    case 'progress':
    case 'waveform': {
      const cell = message.sound_id === null ? undefined : view.cells[message.sound_id]
      if (!cell || isFinal(cell.state) || message.attempt < cell.attempt) return { view, read: false }
      const again = message.attempt > cell.attempt
      const next: Cell =
        message.type === 'progress'
          ? { ...cell, state: 'running', attempt: message.attempt, percent: again ? message.percent : Math.max(cell.percent, message.percent) }
          : { ...cell, state: 'running', attempt: message.attempt, percent: again ? 0 : cell.percent, peaks: coarser(message.peaks, CELL_STRETCHES) }
      return { view: { ...view, cells: { ...view.cells, [cell.id]: next } }, read: false }
    }
    case 'take': {
      const { sound } = message
      const cell = view.cells[sound.id]
      if (!cell) return { view, read: true }
      const next: Cell = {
        ...cell,
        state: sound.state,
        duration: sound.duration,
        sizeBytes: sound.size_bytes,
        failure: sound.error?.message ?? null,
        downloadUrl: sound.download_url,
        percent: 0,
      }
      return { view: { ...view, cells: { ...view.cells, [cell.id]: next } }, read: false }
    }
    default: {
      if (message.version < view.job.version) return { view, read: false }
      if (isFinal(view.job.state) && !isFinal(message.job.state)) return { view, read: false }
      // A first snapshot, one after a gap, and the end leave out what became of the sounds.
      const gap = message.version > view.job.version || isFinal(message.job.state)
      return { view: { ...view, job: message.job }, read: gap }
    }
  }
}

export interface Counts {
  ready: number
  running: number
  waiting: number
  failed: number
  cancelled: number
}

export function count(view: PackView): Counts {
  const counts: Counts = { ready: 0, running: 0, waiting: 0, failed: 0, cancelled: 0 }
  for (const id of view.order) {
    switch (view.cells[id]?.state) {
      case 'succeeded':
        counts.ready++
        break
      case 'running':
        counts.running++
        break
      case 'failed':
        counts.failed++
        break
      case 'cancelled':
        counts.cancelled++
        break
      default:
        counts.waiting++
    }
  }
  return counts
}

/** How a pack stands, in a few words. */
export function stageOf(pack: Pick<Pack, 'state' | 'total'>, job: Pick<Job, 'stage'>): string {
  switch (pack.state) {
    case 'queued':
      return 'Waiting'
    case 'running':
      return job.stage === 'assembling' ? 'Making the ZIP' : 'Rendering'
    case 'succeeded':
      return 'Ready'
    case 'failed':
      return 'Failed'
    default:
      return 'Cancelled'
  }
}

/** Over how long the pace of a pack is measured, in ms. */
export const PACE_OVER = 10_000

/** Sounds a second that ended lately, null where that is not known yet. */
export function pace(ended: readonly number[], now: number): number | null {
  const lately = ended.filter((at) => now - at < PACE_OVER)
  const first = lately[0]
  if (first === undefined || lately.length < 3) return null
  return lately.length / Math.max(1, (now - first) / 1000)
}
