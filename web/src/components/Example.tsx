import { useEffect, useState } from 'react'
import { clock, seconds } from '../lib/format'
import { wavOverview } from '../lib/peaks'
import { setDraft } from '../state/studio'
import { PlayButton } from './PlayButton'
import { usePlayback } from './useSound'
import { SeekableWaveform } from './Waveform'

/** Rendered by `make docs`; a test of internal/cli holds it to the engine. */
const URL = '/example.wav'
const PROMPT = 'deep wobble bass, two seconds'
const SEED = '7'

/** A finished sound for the first visit: it plays before anything was rendered. */
export function Example() {
  const [file, setFile] = useState<{ peaks: number[]; duration: number } | null>(null)
  useEffect(() => {
    const gone = new AbortController()
    fetch(URL, { signal: gone.signal })
      .then((response) => response.arrayBuffer())
      .then((data) => setFile(wavOverview(data)))
      .catch(() => undefined) // Without the file there is no example: the prompts below still stand.
    return () => gone.abort()
  }, [])
  const playback = usePlayback('example', file ? URL : null, file?.duration ?? 0)

  return (
    <article aria-label="Example" data-source="synth" className="min-w-0 rounded-md border border-line bg-panel">
      <div className="flex items-center gap-3 px-3 pt-3">
        <PlayButton label="the example" playing={playback.playing} disabled={file === null} onClick={playback.toggle} />
        <div className="min-w-0 grow">
          <h3 className="truncate font-semibold">{PROMPT}</h3>
          <p className="font-mono text-xs text-ink-2">
            {seconds(file?.duration ?? null)}
            {playback.played !== null && <span className="text-signal"> at {clock(playback.time)}</span>}
          </p>
        </div>
        <button
          type="button"
          className="button button-line"
          onClick={() => {
            setDraft({ prompt: PROMPT, seed: SEED })
            document.getElementById('prompt')?.focus()
          }}
        >
          Use these words
        </button>
      </div>
      <div className="h-28 px-3 py-3">
        <SeekableWaveform
          label="Place in the example"
          className="h-full"
          peaks={file?.peaks ?? []}
          tone="text-hue"
          played={playback.played}
          duration={file?.duration ?? 0}
          time={playback.time}
          onSeek={playback.seek}
        />
      </div>
    </article>
  )
}
