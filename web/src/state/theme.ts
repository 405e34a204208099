import { create } from 'zustand'

type Theme = 'dark' | 'light'

const KEY = 'patchlab.theme'
const system = () => (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')
const stored = (): Theme | null => {
  const value = document.documentElement.dataset.theme
  return value === 'dark' || value === 'light' ? value : null
}

/** The theme in force. It follows the system until the person chooses. */
export const useTheme = create<{ theme: Theme }>(() => ({ theme: stored() ?? system() }))

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
  useTheme.setState({ theme: stored() ?? system() })
})

export function toggleTheme(): void {
  const theme = useTheme.getState().theme === 'dark' ? 'light' : 'dark'
  document.documentElement.dataset.theme = theme
  try {
    localStorage.setItem(KEY, theme)
  } catch {
    // Storage is forbidden: the choice holds until the page is left.
  }
  useTheme.setState({ theme })
}
