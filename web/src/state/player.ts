import { create } from 'zustand'

/** The one player: at most one sound is heard at a time. */
interface PlayerState {
  /** The sound that plays or was played last; null at first. */
  id: string | null
  playing: boolean
  /** What is heard is the preview of a sound that still renders. */
  preview: boolean
  /** Place in the sound, in seconds. */
  time: number
  /** The sound that could not be played, and why. */
  failed: { id: string; message: string } | null
}

export const usePlayer = create<PlayerState>(() => ({ id: null, playing: false, preview: false, time: 0, failed: null }))

const set = usePlayer.setState

let audio: HTMLAudioElement | null = null
let frame = 0
/** A place to go to once the file's length is known. */
let pending: number | null = null

function element(): HTMLAudioElement {
  if (audio) return audio
  const made = new Audio()
  made.preload = 'auto'
  made.addEventListener('playing', () => {
    set({ playing: true, failed: null })
    cancelAnimationFrame(frame)
    frame = requestAnimationFrame(follow)
  })
  made.addEventListener('pause', () => set({ playing: false, time: made.currentTime }))
  made.addEventListener('ended', () => set({ playing: false, time: 0 }))
  made.addEventListener('loadedmetadata', () => {
    if (pending !== null) made.currentTime = pending
    pending = null
  })
  made.addEventListener('error', () => {
    const { id } = usePlayer.getState()
    if (id) set({ playing: false, failed: { id, message: 'The file could not be played. Download it instead, or try again.' } })
  })
  audio = made
  return made
}

function follow(): void {
  if (!audio || audio.paused) return
  set({ time: audio.currentTime })
  frame = requestAnimationFrame(follow)
}

function load(id: string, url: string): HTMLAudioElement {
  const player = element()
  if (usePlayer.getState().id !== id || usePlayer.getState().failed) {
    player.pause()
    player.src = url
    pending = null
    set({ id, playing: false, preview: false, time: 0, failed: null })
  }
  return player
}

/** Plays a sound from where it stands, or pauses it. */
export function toggle(id: string, url: string): void {
  const state = usePlayer.getState()
  if (state.id === id && state.playing) {
    element().pause()
    return
  }
  play(id, url, null)
}

/** Plays a sound, from a given second where one is given. */
export function play(id: string, url: string, from: number | null): void {
  const player = load(id, url)
  if (from !== null) place(player, from)
  // A play that a pause or another sound interrupts is no failure; a file that cannot be read is told by `error`.
  player.play().catch(() => undefined)
}

/** Goes to a place in a sound without starting it. */
export function seek(id: string, url: string, seconds: number): void {
  const player = load(id, url)
  place(player, Math.max(0, seconds))
  set({ time: Math.max(0, seconds) })
}

export function pause(): void {
  audio?.pause()
}

function place(player: HTMLAudioElement, seconds: number): void {
  if (player.readyState >= HTMLMediaElement.HAVE_METADATA) player.currentTime = seconds
  else pending = seconds
}

/** The address that plays a file in the page instead of saving it. */
export function inlineUrl(downloadUrl: string): string {
  const url = new URL(downloadUrl, location.href)
  url.searchParams.set('inline', '1')
  return url.pathname + url.search
}
