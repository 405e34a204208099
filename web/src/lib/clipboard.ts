/** Copies text. The Clipboard API is missing where the page is not served over HTTPS or localhost. */
export async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    const field = document.createElement('textarea')
    field.value = text
    field.className = 'sr-only'
    document.body.append(field)
    const focused = document.activeElement
    field.select()
    // Deprecated, and the only way there is on plain HTTP.
    const done = document.execCommand('copy')
    field.remove()
    if (focused instanceof HTMLElement) focused.focus()
    return done
  }
}
