import { Check, Copy } from 'lucide-react'
import { useEffect, useState } from 'react'
import { copy } from '../lib/clipboard'
import { announce } from '../state/announcer'

/** A small button that copies text and shows for a moment that it did. */
export function CopyButton({ text, what }: { text: string; what: string }) {
  const [copied, setCopied] = useState(false)
  useEffect(() => {
    if (!copied) return
    const timer = setTimeout(() => setCopied(false), 1500)
    return () => clearTimeout(timer)
  }, [copied])
  return (
    <button
      type="button"
      className="icon-button"
      aria-label={`Copy the ${what}`}
      title={`Copy the ${what}`}
      onClick={async () => {
        const done = await copy(text)
        setCopied(done)
        announce(done ? `The ${what} is copied.` : `The ${what} could not be copied: ${text}`)
      }}
    >
      {copied ? <Check size={14} className="text-signal" aria-hidden="true" /> : <Copy size={14} aria-hidden="true" />}
    </button>
  )
}
