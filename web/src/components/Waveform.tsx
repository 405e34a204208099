import { useEffect, useMemo, useRef, useState, type KeyboardEvent, type PointerEvent } from 'react'
import { clock } from '../lib/format'
import { columns } from '../lib/peaks'
import { useTheme } from '../state/theme'

/** A bar and the gap behind it, in CSS pixels. */
const BAR = 2
const STEP = 3

interface WaveformProps {
  peaks: readonly number[]
  /** Which part of the whole the peaks reach, 0..1. */
  covered?: number
  /** Colours the bars: a class that sets `color`. */
  tone: string
  /** Where the playhead stands, 0..1; null while the sound is not the one in the player. */
  played: number | null
  /** Shows the edge up to which is rendered. */
  growing?: boolean
  className?: string
}

/** Draws a waveform. It says nothing to a screen reader: what holds it does. */
export function Waveform({ peaks, covered = 1, tone, played, growing = false, className = '' }: WaveformProps) {
  const canvas = useRef<HTMLCanvasElement>(null)
  const [size, setSize] = useState({ width: 0, height: 0 })
  const theme = useTheme((state) => state.theme)

  useEffect(() => {
    const element = canvas.current
    if (!element) return
    const observer = new ResizeObserver(([entry]) => {
      if (entry) setSize({ width: Math.floor(entry.contentRect.width), height: Math.floor(entry.contentRect.height) })
    })
    observer.observe(element)
    return () => observer.disconnect()
  }, [])

  const count = Math.max(0, Math.floor((size.width + STEP - BAR) / STEP))
  const bars = useMemo(() => columns(peaks, covered, count), [peaks, covered, count])
  const playedBars = played === null ? null : Math.round(played * count)

  useEffect(() => {
    const element = canvas.current
    const context = element?.getContext('2d')
    if (!element || !context || size.width === 0) return
    const scale = window.devicePixelRatio || 1
    const width = Math.round(size.width * scale)
    const height = Math.round(size.height * scale)
    if (element.width !== width || element.height !== height) {
      element.width = width
      element.height = height
    }
    context.setTransform(scale, 0, 0, scale, 0, 0)
    context.clearRect(0, 0, size.width, size.height)
    context.fillStyle = getComputedStyle(element).color
    const middle = size.height / 2
    for (const [i, bar] of bars.entries()) {
      // What is not there yet is a hairline of silence.
      context.globalAlpha = bar === null ? 0.3 : playedBars !== null && i >= playedBars ? 0.45 : 1
      const top = bar === null ? middle - 0.5 : Math.min(middle - 0.5, middle - bar.high * (middle - 1))
      const bottom = bar === null ? middle + 0.5 : Math.max(middle + 0.5, middle - bar.low * (middle - 1))
      context.fillRect(i * STEP, top, BAR, bottom - top)
    }
    context.globalAlpha = 1
  }, [bars, size, playedBars, tone, theme])

  return (
    <div className={`relative ${className}`}>
      <canvas ref={canvas} className={`block size-full ${tone}`} aria-hidden="true" />
      {growing && covered > 0 && covered < 1 && (
        <div className="edge-head text-amber" style={{ left: `${covered * 100}%` }} />
      )}
      {played !== null && <div className="edge-head edge-play text-signal" style={{ left: `${played * 100}%` }} />}
    </div>
  )
}

interface SeekableProps extends Omit<WaveformProps, 'growing' | 'covered'> {
  label: string
  duration: number
  time: number
  onSeek: (seconds: number) => void
}

/** A waveform with a place in it that can be moved: by pointer, arrows, Home and End. */
export function SeekableWaveform({ label, duration, time, onSeek, className = '', ...waveform }: SeekableProps) {
  const dragging = useRef(false)
  const at = Math.min(time, duration)

  function point(event: PointerEvent<HTMLDivElement>) {
    const box = event.currentTarget.getBoundingClientRect()
    onSeek(Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) * duration)
  }

  function press(event: KeyboardEvent) {
    const step = event.shiftKey ? duration / 4 : duration / 20
    const to =
      { ArrowRight: at + step, ArrowUp: at + step, ArrowLeft: at - step, ArrowDown: at - step, Home: 0, End: duration }[
        event.key
      ] ?? null
    if (to === null) return
    event.preventDefault()
    onSeek(Math.min(duration, Math.max(0, to)))
  }

  return (
    <div
      role="slider"
      tabIndex={0}
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={Number(duration.toFixed(3))}
      aria-valuenow={Number(at.toFixed(3))}
      aria-valuetext={`${clock(at)} of ${clock(duration)}`}
      className={`touch-pan-y cursor-crosshair rounded-md ${className}`}
      onKeyDown={press}
      onPointerDown={(event) => {
        dragging.current = true
        event.currentTarget.setPointerCapture(event.pointerId)
        point(event)
      }}
      onPointerMove={(event) => {
        if (dragging.current) point(event)
      }}
      onPointerUp={() => {
        dragging.current = false
      }}
      onPointerCancel={() => {
        dragging.current = false
      }}
    >
      <Waveform {...waveform} className="h-full" />
    </div>
  )
}
