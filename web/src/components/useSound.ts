import { useEffect } from 'react'
import type { Sound } from '../api/types'
import { inlineUrl, play, seek, toggle, usePlayer } from '../state/player'
import { startPreview, stopPreview } from '../state/preview'
import { live, loadWaveform, useStudio } from '../state/studio'

/** The source whose hue a sound has: that of its first layer. */
export function sourceOf(sound: Sound): string {
  const source = sound.patch.layers[0]?.source
  return typeof source === 'string' ? source : 'synth'
}

/** The playing side of one sound. */
export function usePlayback(id: string, url: string | null, duration: number) {
  const mine = usePlayer((state) => state.id === id)
  const playing = usePlayer((state) => state.id === id && state.playing)
  const preview = usePlayer((state) => state.id === id && state.preview)
  const time = usePlayer((state) => (state.id === id ? state.time : 0))
  const failure = usePlayer((state) => (state.failed?.id === id ? state.failed.message : null))
  return {
    playing,
    preview,
    time,
    failure,
    played: mine && duration > 0 && (playing || time > 0) ? Math.min(1, time / duration) : null,
    toggle: () => url !== null && toggle(id, url),
    seek: (seconds: number) => {
      if (url === null) return
      if (playing) play(id, url, seconds)
      else seek(id, url, seconds)
    },
  }
}

export function useSoundPlayback(sound: Sound) {
  const url = sound.download_url === null ? null : inlineUrl(sound.download_url)
  const playback = usePlayback(sound.id, url, sound.duration ?? 0)
  return {
    ...playback,
    /** Plays or pauses; a sound that is not ready yet plays as it renders. */
    toggle: () => {
      if (url !== null) playback.toggle()
      else if (playback.preview) stopPreview()
      else startPreview(sound.job_id, sound.id, (jobId, audio) => live.listen(jobId, audio))
    },
  }
}

const NO_PEAKS: readonly number[] = []

/** The overview of a rendered sound, asked for once it is wanted. */
export function useWaveform(sound: Sound, wanted: boolean): readonly number[] {
  const peaks = useStudio((state) => state.waveforms[sound.id])
  useEffect(() => {
    if (wanted && sound.waveform_url) void loadWaveform(sound)
  }, [wanted, sound])
  return peaks ?? NO_PEAKS
}
