import { create } from 'zustand'
import { Client } from '../api/client'
import { Live, type LiveStatus } from '../api/live'
import { ApiError, isAbort } from '../api/problem'
import type { GenerateRequest, Interpretation, Job, JobMessage, Sound, VariationsRequest } from '../api/types'
import { isFinal } from '../api/types'
import { plural } from '../lib/format'
import { randomId } from '../lib/id'
import { characters } from '../lib/segments'
import { announce } from './announcer'
import { EMPTY_DRAFT, MAX_PROMPT, toRequest, type Draft, type FieldErrors } from './draft'
import { applyMessage, type JobView } from './jobs'
import { inlineUrl } from './player'
import { abandon, handOver } from './preview'

const PAGE = 12
const DRAFT_KEY = 'patchlab.draft'

interface Library {
  status: 'loading' | 'ready' | 'failed'
  items: readonly Sound[]
  next: string | null
  loadingMore: boolean
  error: ApiError | null
}

interface StudioState {
  draft: Draft
  interpretation: Interpretation | null
  /** The interpretation could not be had; the prompt can be rendered all the same. */
  interpretFailed: boolean

  sending: boolean
  /** Why the last try to render was not accepted. */
  error: ApiError | null
  fields: FieldErrors

  /** The job whose takes are shown. */
  currentId: string | null
  /** The job that the address names is being read, or could not be. */
  opening: boolean
  openError: ApiError | null
  jobs: Readonly<Record<string, JobView>>
  /** The job that is being cancelled. */
  cancelling: string | null
  /** Why the last try to cancel the shown job failed. */
  cancelError: ApiError | null

  library: Library
  waveforms: Readonly<Record<string, readonly number[]>>
  link: LiveStatus
}

export const useStudio = create<StudioState>(() => ({
  draft: readDraft(),
  interpretation: null,
  interpretFailed: false,
  sending: false,
  error: null,
  fields: {},
  currentId: null,
  opening: false,
  openError: null,
  jobs: {},
  cancelling: null,
  cancelError: null,
  library: { status: 'loading', items: [], next: null, loadingMore: false, error: null },
  waveforms: {},
  link: 'idle',
}))

const set = useStudio.setState
const get = useStudio.getState

export const client = new Client()

export const live = new Live({
  socketUrl: `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/v1/ws`,
  streamUrl: (jobId) => `/v1/jobs/${jobId}/events`,
  readJob: (jobId, signal) => client.job(jobId, signal),
  onStatus: (link) => set({ link }),
})

// The draft.

function readDraft(): Draft {
  try {
    const stored = JSON.parse(sessionStorage.getItem(DRAFT_KEY) ?? 'null') as Partial<Draft> | null
    return { ...EMPTY_DRAFT, ...stored }
  } catch {
    return EMPTY_DRAFT
  }
}

export function setDraft(change: Partial<Draft>): void {
  const draft = { ...get().draft, ...change }
  const fields = { ...get().fields }
  // What was wrong about a field is no longer known once it is touched.
  for (const name of Object.keys(change)) delete fields[REQUEST_FIELD[name as keyof Draft]]
  const length = characters(draft.prompt)
  if (length > MAX_PROMPT) fields.prompt = `${length} characters: shorten it by ${length - MAX_PROMPT}.`
  set({ draft, fields })
  try {
    sessionStorage.setItem(DRAFT_KEY, JSON.stringify(draft))
  } catch {
    // Storage is forbidden or full: the draft lives as long as the page.
  }
}

const REQUEST_FIELD: Record<keyof Draft, string> = {
  prompt: 'prompt',
  takes: 'variations',
  duration: 'duration',
  seed: 'seed',
  sampleRate: 'sample_rate',
  bitDepth: 'bit_depth',
  channels: 'channels',
}

// Interpretation while typing.

let interpreting: AbortController | null = null

/** Asks what the prompt would become. A newer question cancels the one before. */
export async function interpret(): Promise<void> {
  interpreting?.abort()
  interpreting = null
  const { prompt, seed } = get().draft
  if (prompt.trim() === '' || characters(prompt) > MAX_PROMPT) {
    set({ interpretation: null, interpretFailed: false })
    return
  }
  const question = new AbortController()
  interpreting = question
  try {
    const interpretation = await client.interpret(prompt, /^\d+$/.test(seed) ? Number(seed) : null, question.signal)
    if (!question.signal.aborted) set({ interpretation, interpretFailed: false })
  } catch (error) {
    if (!isAbort(error) && !question.signal.aborted) set({ interpretFailed: true })
  }
}

// Rendering.

/** The person's last action: its key goes with every repeat until an answer is final. */
let action: { key: string; body: string } | null = null

/** Renders what stands in the form. */
export async function render(): Promise<void> {
  const checked = toRequest(get().draft)
  if ('errors' in checked) {
    set({ fields: checked.errors, error: null })
    return
  }
  await send(checked.request)
}

/** Renders a failed take once more: the same patch, or the same words and seed. */
export async function renderAgain(sound: Sound): Promise<void> {
  if (sound.explanation.variation) {
    // No words lead to this patch; it is its own nearest relative.
    try {
      await vary(sound, { count: 1, distance: 0, locked: ['seed'] }, randomId())
    } catch (error) {
      if (!isAbort(error)) set({ error: asApiError(error), fields: {} })
    }
    return
  }
  const duration = Number(sound.patch.output.duration ?? 0)
  await send({
    prompt: sound.prompt,
    variations: 1,
    seed: sound.seed,
    sample_rate: sound.sample_rate as NonNullable<GenerateRequest['sample_rate']>,
    bit_depth: sound.bit_depth as NonNullable<GenerateRequest['bit_depth']>,
    channels: sound.channels as NonNullable<GenerateRequest['channels']>,
    ...(duration > 0 ? { duration } : {}),
  })
}

/**
 * Renders variations of a sound, and shows their job. Throws what keeps it from that; the
 * same key makes the same job, so that it is safe to repeat.
 */
export async function vary(sound: Sound, request: VariationsRequest, key: string): Promise<void> {
  const job = await client.vary(sound.id, request, key)
  show(job)
  announce(`Rendering ${plural(job.sounds.length, 'variation')} of ${sound.name}.`)
}

async function send(request: GenerateRequest): Promise<void> {
  if (get().sending) return
  const body = JSON.stringify(request)
  if (action?.body !== body) action = { key: randomId(), body }
  set({ sending: true, error: null, fields: {} })
  try {
    const job = await client.generate(request, action.key)
    action = null
    show(job)
    announce(job.sounds.length === 1 ? 'Rendering one take.' : `Rendering ${job.sounds.length} takes.`)
  } catch (error) {
    const failure = asApiError(error)
    if (!failure.retryable) action = null
    const fields: FieldErrors = failure.kind === 'fields' ? failure.fields : {}
    set({ error: failure, fields })
  } finally {
    set({ sending: false })
  }
}

export function dismissError(): void {
  set({ error: null })
}

export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error
  return new ApiError({ kind: 'broken', message: 'Something went wrong in this page. Reload it.', cause: error })
}

// Jobs.

/** Makes a job the one that is shown, names it in the address, and watches it. */
function show(job: Job): void {
  receive({ type: 'snapshot', job_id: job.id, version: job.version, job })
  set({ currentId: job.id, opening: false, openError: null, cancelError: null })
  const url = new URL(location.href)
  url.searchParams.set('job', job.id)
  history.replaceState(null, '', url)
  if (!isFinal(job.state)) watch(job.id)
}

function watch(jobId: string): void {
  live.watch(jobId, {
    message: receive,
    lost: () => {
      set((state) => ({
        openError: state.currentId === jobId ? new ApiError({ kind: 'missing', message: 'This job is gone.' }) : state.openError,
      }))
    },
  })
}

/** Shows a job again by its id: after a reload, or from the list. */
export async function openJob(jobId: string): Promise<void> {
  const known = get().jobs[jobId]
  if (known) {
    show(known.job)
    return
  }
  set({ opening: true, openError: null })
  try {
    show(await client.job(jobId))
  } catch (error) {
    if (!isAbort(error)) set({ opening: false, openError: asApiError(error) })
  }
}

/** Shows the job that made a sound. Throws where that cannot be found out. */
export async function openSound(soundId: string): Promise<void> {
  const known = get().library.items.find((sound) => sound.id === soundId)
  await openJob((known ?? (await client.sound(soundId))).job_id)
}

/** Ends a job: what is ready stays. */
export async function cancelJob(jobId: string): Promise<void> {
  if (get().cancelling) return
  set({ cancelling: jobId, cancelError: null })
  try {
    const job = await client.cancel(jobId)
    // The live link tells it too, unless it is down.
    receive({ type: job.state === 'cancelled' ? 'cancelled' : 'snapshot', job_id: job.id, version: job.version, job })
  } catch (error) {
    if (!isAbort(error) && get().currentId === jobId) set({ cancelError: asApiError(error) })
  } finally {
    set({ cancelling: null })
  }
}

/** Leaves a job that cannot be shown. */
export function forgetJob(): void {
  const url = new URL(location.href)
  url.searchParams.delete('job')
  history.replaceState(null, '', url)
  set({ currentId: null, opening: false, openError: null })
}

function receive(message: JobMessage): void {
  const before = get().jobs[message.job_id] ?? null
  const after = applyMessage(before, message)
  if (!after || after === before) return
  set((state) => ({ jobs: { ...state.jobs, [message.job_id]: after } }))
  if (before?.job === after.job) return
  keep(after.job.sounds)
  if (before) tell(before.job, after.job)
}

/** Says what changed between two views of a job. */
function tell(before: Job, after: Job): void {
  const count = after.sounds.length
  for (const sound of after.sounds) {
    const was = before.sounds.find((s) => s.id === sound.id)
    if (!was || was.state === sound.state) continue
    const name = `Take ${sound.position + 1} of ${count}`
    if (sound.state === 'succeeded' && sound.download_url) handOver(sound.id, inlineUrl(sound.download_url))
    else if (isFinal(sound.state)) abandon(sound.id)
    if (sound.state === 'succeeded') announce(`${name} is ready.`)
    else if (sound.state === 'failed') announce(`${name} failed: ${sound.error?.message ?? 'no reason was given'}`)
    else if (sound.state === 'cancelled') announce(`${name} was cancelled.`)
  }
}

// The library.

/** Takes sounds into the list: known ones in place, new ones at its head. */
function keep(sounds: readonly Sound[]): void {
  set(({ library }) => {
    const fresh = new Map(sounds.map((sound) => [sound.id, sound]))
    const items = library.items.map((item) => fresh.get(item.id) ?? item)
    const known = new Set(items.map((item) => item.id))
    const added = sounds.filter((sound) => !known.has(sound.id))
    if (added.length > 0) {
      items.push(...added)
      items.sort((a, b) => b.created_at.localeCompare(a.created_at) || a.position - b.position)
    }
    return { library: { ...library, items } }
  })
}

export async function loadLibrary(): Promise<void> {
  set(({ library }) => ({ library: { ...library, status: 'loading', error: null } }))
  try {
    const page = await client.sounds(null, PAGE)
    keep(page.items)
    set(({ library }) => ({ library: { ...library, status: 'ready', next: page.next_cursor } }))
  } catch (error) {
    set(({ library }) => ({ library: { ...library, status: 'failed', error: asApiError(error) } }))
  }
}

export async function loadMore(): Promise<void> {
  const { library } = get()
  if (library.next === null || library.loadingMore) return
  set({ library: { ...library, loadingMore: true, error: null } })
  try {
    const page = await client.sounds(library.next, PAGE)
    keep(page.items)
    set((state) => ({ library: { ...state.library, loadingMore: false, next: page.next_cursor } }))
  } catch (error) {
    set((state) => ({ library: { ...state.library, loadingMore: false, error: asApiError(error) } }))
  }
}

const fetching = new Set<string>()

/** Gets the overview of a rendered sound, once. Without it the sound still plays. */
export async function loadWaveform(sound: Sound): Promise<void> {
  if (!sound.waveform_url || get().waveforms[sound.id] || fetching.has(sound.id)) return
  fetching.add(sound.id)
  try {
    const { peaks } = await client.waveform(sound)
    set((state) => ({ waveforms: { ...state.waveforms, [sound.id]: peaks } }))
  } catch {
    // The next time that it comes into view asks again.
  } finally {
    fetching.delete(sound.id)
  }
}

// The page's life.

/** Finds again what ran when the page was left: the job in the address, else the newest that is not final. */
export async function start(): Promise<void> {
  const wanted = new URL(location.href).searchParams.get('job')
  if (wanted) {
    set({ opening: true })
    // One after the other: the first request is the one that makes the visitor's cookie.
    await openJob(wanted)
    await loadLibrary()
  } else {
    await loadLibrary()
    const running = get().library.items.find((sound) => !isFinal(sound.state))
    if (running && get().currentId === null) await openJob(running.job_id)
  }
}

/** Called when the network is back or the page is looked at again. */
export function wake(): void {
  live.wake()
  const { library, error, openError } = get()
  if (library.status === 'failed') void loadLibrary()
  if (error?.kind === 'offline') set({ error: null })
  const wanted = new URL(location.href).searchParams.get('job')
  if (openError?.retryable && wanted) void openJob(wanted)
}
