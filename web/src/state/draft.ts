import type { GenerateRequest } from '../api/types'
import { characters } from '../lib/segments'

export const MAX_PROMPT = 500
export const MAX_TAKES = 8
const MAX_SEED = 4_294_967_295
const MIN_DURATION = 0.05
const MAX_DURATION = 30
/** The server's MAX_JOB_SAMPLES: takes × seconds × rate × channels. */
const MAX_SAMPLES = 2 ** 25

export const SAMPLE_RATES = [22_050, 44_100, 48_000, 96_000] as const
export const BIT_DEPTHS = [16, 24, 32] as const

/** What stands in the form. Numbers that may be left to the server are text: '' means auto. */
export interface Draft {
  prompt: string
  takes: number
  duration: string
  seed: string
  sampleRate: (typeof SAMPLE_RATES)[number]
  bitDepth: (typeof BIT_DEPTHS)[number]
  channels: 1 | 2
}

export const EMPTY_DRAFT: Draft = {
  prompt: '',
  takes: 2,
  duration: '',
  seed: '',
  sampleRate: 48_000,
  bitDepth: 24,
  channels: 2,
}

/** Messages by the name that the field has in the request. */
export type FieldErrors = Readonly<Record<string, string>>

/** Checks the draft as the server would, so that most faults show before anything is sent. */
export function toRequest(draft: Draft): { request: GenerateRequest } | { errors: FieldErrors } {
  const errors: Record<string, string> = {}
  const length = characters(draft.prompt)
  if (draft.prompt.trim() === '') errors.prompt = 'Write what it should sound like.'
  else if (length > MAX_PROMPT) errors.prompt = `${length} characters: shorten it by ${length - MAX_PROMPT}.`

  let duration: number | undefined
  if (draft.duration.trim() !== '') {
    duration = Number(draft.duration.trim().replace(',', '.'))
    if (!(duration >= MIN_DURATION && duration <= MAX_DURATION)) errors.duration = 'From 0.05 to 30 s, or empty.'
  }
  let seed: number | undefined
  if (draft.seed.trim() !== '') {
    seed = /^\d+$/.test(draft.seed.trim()) ? Number(draft.seed.trim()) : Number.NaN
    if (!(seed <= MAX_SEED)) errors.seed = `A whole number up to ${MAX_SEED}.`
  }
  if (duration !== undefined && !errors.duration) {
    const longest = Math.floor((100 * MAX_SAMPLES) / (draft.takes * draft.sampleRate * draft.channels)) / 100
    if (duration > longest) errors.duration = `At most ${longest} s for ${draft.takes} takes of this format.`
  }
  if (Object.keys(errors).length > 0) return { errors }
  return {
    request: {
      prompt: draft.prompt,
      variations: draft.takes,
      sample_rate: draft.sampleRate,
      bit_depth: draft.bitDepth,
      channels: draft.channels,
      ...(duration === undefined ? {} : { duration }),
      ...(seed === undefined ? {} : { seed }),
    },
  }
}
