import { useAnnouncer } from '../state/announcer'

/** The live region: says to a screen reader what others see happen. */
export function Announcer() {
  const text = useAnnouncer((state) => state.text)
  return (
    <div role="status" aria-live="polite" className="sr-only">
      {text}
    </div>
  )
}
