import { create } from 'zustand'
import { type ApiError, isAbort } from '../api/problem'
import type { Pack, PackRequest } from '../api/types'
import { isFinal } from '../api/types'
import { plural } from '../lib/format'
import { announce } from './announcer'
import { applyToPack, count, PACE_OVER, readPack, type PackView } from './pack'
import { asApiError, client, live } from './studio'

const PAGE = 12
/** How long a reading waits for others like it, in ms. */
const READ_DELAY = 250
/** How long the next try waits after a reading that failed, in ms. */
const READ_AGAIN = 2000
/** How often a screen reader is told how a pack comes on, in ms. */
const TELL_EVERY = 10_000

export interface PackList {
  status: 'loading' | 'ready' | 'failed'
  items: readonly Pack[]
  next: string | null
  loadingMore: boolean
  error: ApiError | null
}

export type Act = 'cancel' | 'rebuild' | 'delete'

interface PacksState {
  list: PackList
  /** The pack that is shown. */
  view: PackView | null
  opening: boolean
  openError: ApiError | null
  acting: Act | null
  /** What was tried last and failed. */
  failed: { act: Act; error: ApiError } | null
  /** When sounds ended lately, in ms since 1970. */
  ended: readonly number[]
}

export const usePacks = create<PacksState>(() => ({
  list: { status: 'loading', items: [], next: null, loadingMore: false, error: null },
  view: null,
  opening: true,
  openError: null,
  acting: null,
  failed: null,
  ended: [],
}))

const set = usePacks.setState
const get = usePacks.getState

// The list.

export async function loadPacks(): Promise<void> {
  set(({ list }) => ({ list: { ...list, status: 'loading', error: null } }))
  try {
    const page = await client.packs(null, PAGE)
    set({ list: { status: 'ready', items: page.items, next: page.next_cursor, loadingMore: false, error: null } })
  } catch (error) {
    set(({ list }) => ({ list: { ...list, status: 'failed', error: asApiError(error) } }))
  }
}

export async function loadMorePacks(): Promise<void> {
  const { list } = get()
  if (list.next === null || list.loadingMore) return
  set({ list: { ...list, loadingMore: true, error: null } })
  try {
    const page = await client.packs(list.next, PAGE)
    const known = new Set(list.items.map((pack) => pack.id))
    const items = [...list.items, ...page.items.filter((pack) => !known.has(pack.id))]
    set({ list: { ...list, items, next: page.next_cursor, loadingMore: false } })
  } catch (error) {
    set({ list: { ...list, loadingMore: false, error: asApiError(error) } })
  }
}

/** Reads those of the list again that are not final: their numbers move. */
export async function refreshPacks(): Promise<void> {
  const { list } = get()
  if (list.status !== 'ready' || !list.items.some((pack) => !isFinal(pack.state))) return
  try {
    const page = await client.packs(null, PAGE)
    const fresh = new Map(page.items.map((pack) => [pack.id, pack]))
    set((state) => ({ list: { ...state.list, items: state.list.items.map((pack) => fresh.get(pack.id) ?? pack) } }))
  } catch {
    // The next time it is asked again.
  }
}

/** Asks for a pack, and returns its id. Throws what keeps it from that. */
export async function buildPack(request: PackRequest, key: string): Promise<string> {
  return (await client.createPack(request, key)).id
}

// One pack.

let stopWatching: (() => void) | null = null
let watched: string | null = null
let reading: ReturnType<typeof setTimeout> | undefined
let toldAt = 0

export async function openPack(id: string): Promise<void> {
  set({ opening: true, openError: null })
  try {
    take(await client.pack(id))
    set({ opening: false })
  } catch (error) {
    if (!isAbort(error)) set({ opening: false, openError: asApiError(error) })
  }
}

/** Takes in a pack that was read, and watches its job while it is under way. */
function take(pack: Pack): void {
  const view = readPack(get().view, pack)
  set({ view })
  if (isFinal(view.job.state)) {
    stopWatching?.()
    stopWatching = null
    watched = null
  } else if (watched !== view.job.id) {
    stopWatching?.()
    watched = view.job.id
    stopWatching = live.watch(view.job.id, {
      message: (message) => {
        const before = get().view
        if (!before) return
        const { view: after, read } = applyToPack(before, message)
        if (after !== before) {
          set({ view: after })
          tell(before, after)
        }
        if (read) readSoon(after.pack.id)
      },
      lost: () => readSoon(view.pack.id),
    })
  }
}

/** Reads the pack again, once for many reasons that come together. */
function readSoon(id: string): void {
  reading ??= setTimeout(() => void readAgain(id), READ_DELAY)
}

async function readAgain(id: string): Promise<void> {
  reading = undefined
  try {
    const pack = await client.pack(id)
    const before = get().view
    take(pack)
    const after = get().view
    if (before && after) tell(before, after)
  } catch (error) {
    const failure = asApiError(error)
    if (failure.kind === 'missing') set({ openError: failure })
    else if (failure.retryable) reading ??= setTimeout(() => void readAgain(id), READ_AGAIN)
  }
}

/** Notes the pace, and says how the pack comes on: now and then, and at its end. */
function tell(before: PackView, after: PackView): void {
  const now = Date.now()
  const was = count(before)
  const is = count(after)
  const more = is.ready + is.failed - was.ready - was.failed
  if (more > 0) {
    set((state) => ({ ended: [...state.ended.filter((at) => now - at < PACE_OVER), ...Array<number>(more).fill(now)] }))
  }
  if (isFinal(after.job.state) && !isFinal(before.job.state)) {
    const end = { succeeded: 'is ready', failed: 'failed', cancelled: 'was cancelled' }[after.job.state as 'succeeded']
    announce(`${after.pack.name} ${end}${is.failed > 0 ? `, with ${plural(is.failed, 'failure')}` : ''}.`)
    return
  }
  if (more > 0 && now - toldAt >= TELL_EVERY) {
    toldAt = now
    announce(`${is.ready} of ${after.order.length} ready.`)
  }
}

/** Cancels, rebuilds or deletes the pack that is shown; reports whether that was done. */
export async function act(what: Act): Promise<boolean> {
  const { view, acting } = get()
  if (!view || acting) return false
  set({ acting: what, failed: null })
  try {
    if (what === 'cancel') {
      await client.cancel(view.job.id)
      take(await client.pack(view.pack.id))
      if (get().view?.job.state === 'cancelled') announce('Cancelled.') // it may have ended just before
    } else if (what === 'rebuild') {
      await client.rebuildPack(view.pack.id)
      take(await client.pack(view.pack.id))
      announce('Building again what is missing.')
    } else {
      await client.deletePack(view.pack.id)
    }
    return true
  } catch (error) {
    if (!isAbort(error)) set({ failed: { act: what, error: asApiError(error) } })
    return false
  } finally {
    set({ acting: null })
  }
}

/** Called when the network is back or the page is looked at again. */
export function wakePacks(): void {
  live.wake()
  const { list, view, openError } = get()
  if (list.status === 'failed') void loadPacks()
  if (view && !isFinal(view.job.state)) readSoon(view.pack.id)
  if (openError?.retryable && view) void openPack(view.pack.id)
}
