import { useEffect } from 'react'

/** Calls wake when the network is back or the page is looked at again. */
export function useWake(wake: () => void): void {
  useEffect(() => {
    const seen = () => {
      if (document.visibilityState === 'visible') wake()
    }
    window.addEventListener('online', wake)
    document.addEventListener('visibilitychange', seen)
    return () => {
      window.removeEventListener('online', wake)
      document.removeEventListener('visibilitychange', seen)
    }
  }, [wake])
}
