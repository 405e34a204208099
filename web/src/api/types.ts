import type { components } from './schema'

type Schemas = components['schemas']

export type GenerateRequest = Schemas['GenerateRequest']
export type VariationsRequest = Schemas['VariationsRequest']
export type Change = Schemas['Change']
export type Interpretation = Schemas['Interpretation']
export type Explanation = Schemas['Explanation']
export type Word = Schemas['Word']
export type Span = Schemas['Span']
export type Job = Schemas['Job']
export type Sound = Schemas['Sound']
export type SoundList = Schemas['SoundList']
export type State = Schemas['State']
export type Pack = Schemas['Pack']
export type PackSound = Schemas['PackSound']
export type PackList = Schemas['PackList']
export type PackPlan = Schemas['Plan']
export type PackRequest = Partial<Schemas['PackRequest']>
export type Waveform = Schemas['Waveform']
export type Recipe = Schemas['Recipe']
export type Problem = Schemas['Problem']
export type Source = Word['source']

export type MessageJob = Schemas['MessageJob']
export type MessageProgress = Schemas['MessageProgress']
export type MessageWaveform = Schemas['MessageWaveform']
export type MessageTake = Schemas['MessageTake']
export type ServerMessage = Schemas['ServerMessage']

/** A message about one job, as both the WebSocket and the event stream carry it. */
export type JobMessage = MessageJob | MessageProgress | MessageWaveform | MessageTake

/** Reports whether nothing can change any more. */
export function isFinal(state: State): boolean {
  return state === 'succeeded' || state === 'failed' || state === 'cancelled'
}
