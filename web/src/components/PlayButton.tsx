import { Pause, Play } from 'lucide-react'

interface PlayButtonProps {
  label: string
  playing: boolean
  disabled?: boolean
  onClick: () => void
  small?: boolean
}

export function PlayButton({ label, playing, disabled = false, onClick, small = false }: PlayButtonProps) {
  const Icon = playing ? Pause : Play
  return (
    <button
      type="button"
      className={`play ${small ? 'play-small' : ''}`}
      aria-label={`${playing ? 'Pause' : 'Play'} ${label}`}
      aria-disabled={disabled}
      data-playing={playing}
      onClick={() => !disabled && onClick()}
    >
      <Icon size={small ? 14 : 18} fill="currentColor" aria-hidden="true" className={playing ? '' : 'translate-x-px'} />
    </button>
  )
}
