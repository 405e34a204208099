// Runs before the first paint, so that a stored theme does not flash. It is a
// file of its own because the content security policy forbids inline script.
try {
  var theme = localStorage.getItem('patchlab.theme')
  if (theme === 'dark' || theme === 'light') document.documentElement.dataset.theme = theme
} catch {
  // Storage is forbidden: the system's preference holds.
}
