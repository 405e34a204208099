import { readFile } from 'node:fs/promises'
import type { Page } from '@playwright/test'
import { expect, test } from './farm'

const prompt = (page: Page) => page.getByLabel('What should it sound like?')
const take = (page: Page, n: number) => page.getByRole('article', { name: `Take ${n}`, exact: true })

async function ask(page: Page, words: string, duration?: string, takes = 1) {
  await prompt(page).fill(words)
  await page.getByRole('radio', { name: takes === 1 ? '1 take' : `${takes} takes`, exact: true }).check({ force: true })
  if (duration !== undefined) await page.getByLabel('Duration').fill(duration)
  await page.getByRole('button', { name: 'Render' }).click()
}

/** Notes every value of the first take's progress bar: asking from outside would miss most. */
async function watchProgress(page: Page): Promise<() => Promise<number[]>> {
  await page.addInitScript(() => {
    const seen: number[] = []
    Object.assign(window, { seenProgress: seen })
    new MutationObserver(() => {
      const value = document.querySelector('article[aria-label="Take 1"] [role=progressbar]')?.getAttribute('aria-valuenow')
      if (value && seen.at(-1) !== Number(value)) seen.push(Number(value))
    }).observe(document, { subtree: true, childList: true, attributes: true })
  })
  return () => page.evaluate(() => (window as unknown as { seenProgress: number[] }).seenProgress)
}

test('words become sounds: understood, rendered, played, downloaded', async ({ page, slowFarm }) => {
  const progress = await watchProgress(page)
  await page.goto(slowFarm.url)
  await prompt(page).fill('deep wobble bass, two seconds')
  const notebook = page.getByRole('region', { name: 'What I understood' })
  await expect(notebook.getByRole('button', { name: /wobble/ })).toBeVisible()
  await expect(notebook).toContainText('lfo1 rate')

  await ask(page, 'deep wobble bass, two seconds', undefined, 2)
  await expect(take(page, 1)).toContainText('Ready')
  await expect(take(page, 2)).toContainText('Ready')
  const seen = await progress()
  expect(seen.length, 'a progress bar that moved').toBeGreaterThan(3)
  expect(seen).toEqual(seen.toSorted((a, b) => a - b))
  await expect(page.getByRole('status').filter({ hasText: /ready/i })).toBeAttached()

  await take(page, 1).getByRole('button', { name: 'Play take 1' }).click()
  await expect(take(page, 1).getByRole('button', { name: 'Pause take 1' })).toBeVisible()
  await expect(take(page, 1)).toContainText(/at \d\.\d\d s/)

  const [download] = await Promise.all([
    page.waitForEvent('download'),
    take(page, 1).getByRole('link', { name: /Download take 1/ }).click(),
  ])
  expect(download.suggestedFilename()).toMatch(/^deep-wobble-bass.*\.wav$/)
  const file = await readFile(await download.path())
  expect(file.subarray(0, 4).toString('latin1')).toBe('RIFF')
  expect(file.subarray(8, 12).toString('latin1')).toBe('WAVE')
  const data = file.indexOf('data')
  expect(file.readUInt32LE(data + 4)).toBe(2 * 48_000 * 2 * 3)
})

test('a render is cancelled, and the next one begins', async ({ page, slowFarm }) => {
  await page.goto(slowFarm.url)
  await ask(page, 'slow dark pad', '30', 2)
  const bar = take(page, 1).getByRole('progressbar')
  await expect.poll(async () => Number((await bar.getAttribute('aria-valuenow')) ?? 0)).toBeGreaterThan(0)
  await page.getByRole('button', { name: 'Cancel', exact: true }).click()
  await expect(take(page, 1)).toContainText('Cancelled')
  await expect(take(page, 2)).toContainText('Cancelled')
  await expect(page.getByRole('button', { name: 'Cancel', exact: true })).toHaveCount(0)
  await expect(page.getByRole('status').filter({ hasText: /cancelled/i })).toBeAttached()
  await page.reload()
  await expect(take(page, 1)).toContainText('Cancelled')

  await ask(page, 'kick', '0.2')
  await expect(take(page, 1)).toContainText('Ready')
})

test('a render goes on while the page is loaded anew', async ({ page, slowFarm }) => {
  await page.goto(slowFarm.url)
  await ask(page, 'slow dark pad', '10')
  const bar = take(page, 1).getByRole('progressbar')
  await expect.poll(async () => Number((await bar.getAttribute('aria-valuenow')) ?? 0)).toBeGreaterThan(5)
  await page.reload()
  await expect(bar).toBeVisible()
  expect(Number(await bar.getAttribute('aria-valuenow'))).toBeGreaterThan(0)
  await expect(take(page, 1)).toContainText('Ready')
  await expect(take(page, 1)).toContainText('10.00 s')
})

test('wrong fields are named where they are, and nothing is sent', async ({ page, farm }) => {
  const posts: string[] = []
  page.on('request', (request) => request.method() === 'POST' && posts.push(request.url()))
  await page.goto(farm.url)
  await prompt(page).fill('x'.repeat(501))
  await page.getByRole('button', { name: 'Render' }).click()
  await expect(page.getByText('501 characters: shorten it by 1.')).toBeVisible()
  await expect(prompt(page)).toBeFocused()
  await expect(prompt(page)).toHaveAttribute('aria-invalid', 'true')
  await prompt(page).fill('kick')
  await page.getByLabel('Duration').fill('31')
  await page.getByRole('button', { name: 'Render' }).click()
  await expect(page.getByText('From 0.05 to 30 s, or empty.')).toBeVisible()
  expect(posts).toEqual([])
})

test('a refusal of the server stands under its field', async ({ page, farm }) => {
  await page.goto(farm.url)
  // A form that is older than the server lets through what the server refuses.
  await page.route('**/v1/sounds/generate', async (route) => {
    await route.continue({ postData: JSON.stringify({ ...route.request().postDataJSON(), duration: 31 }) })
  })
  await ask(page, 'kick', '3')
  const duration = page.getByLabel('Duration')
  await expect(duration).toHaveAttribute('aria-invalid', 'true')
  await expect(page.locator('#duration-hint')).toContainText('30')
})

test('without a network the words are kept, and it goes on afterwards', async ({ page, context, farm }) => {
  await page.goto(farm.url)
  await prompt(page).fill('kick')
  await context.setOffline(true)
  await page.getByRole('button', { name: 'Render' }).click()
  await expect(page.getByRole('alert').filter({ hasText: 'PatchLAB cannot be reached.' })).toBeVisible()
  await context.setOffline(false)
  await expect(prompt(page)).toHaveValue('kick')
  await page.getByRole('button', { name: 'Render' }).click()
  await expect(take(page, 1)).toContainText('Ready')
  await expect(page.getByRole('alert')).toHaveCount(0)
})

test('everything works by keyboard alone', async ({ page, farm }) => {
  await page.goto(farm.url)
  await prompt(page).focus()
  await page.keyboard.type('kick')
  await page.keyboard.press('Enter')
  await expect(take(page, 1)).toContainText('Ready')
  await reach(page, 'Play take 1')
  await page.keyboard.press('Space')
  await expect(page.getByRole('button', { name: /^(Pause|Play) take 1$/ })).toBeFocused()
  await reach(page, /^Download take 1/)
  const [download] = await Promise.all([page.waitForEvent('download'), page.keyboard.press('Enter')])
  expect(download.suggestedFilename()).toMatch(/^kick.*\.wav$/)
})

/** Presses Tab until the control of that name has the focus. */
async function reach(page: Page, name: string | RegExp) {
  for (let i = 0; i < 60; i++) {
    const label = await page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? '')
    if (typeof name === 'string' ? label === name : name.test(label)) return
    await page.keyboard.press('Tab')
  }
  throw new Error(`Tab does not reach ${String(name)}`)
}

test('earlier sounds are listed, and open again', async ({ page, farm }) => {
  await page.goto(farm.url)
  await ask(page, 'bright bell')
  await expect(take(page, 1)).toContainText('Ready')
  await ask(page, 'deep bass')
  await expect(page.getByRole('heading', { name: 'deep bass' })).toBeVisible()
  await expect(take(page, 1)).toContainText('Ready')
  const earlier = page.getByRole('region', { name: 'Earlier sounds' })
  await earlier.getByRole('link', { name: /Open bright bell/ }).click()
  await expect(page.getByRole('heading', { name: 'bright bell' })).toBeVisible()
  await expect(take(page, 1)).toContainText('Ready')
})

test('a first visit has something to hear', async ({ page, farm }) => {
  await page.goto(farm.url)
  const example = page.getByRole('article', { name: 'Example' })
  await example.getByRole('button', { name: 'Play the example' }).click()
  await expect(example.getByRole('button', { name: 'Pause the example' })).toBeVisible()
  await expect(example).toContainText('2.000 s')
})

test('an address that is none says so', async ({ page, farm }) => {
  await page.goto(`${farm.url}/nowhere`)
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible()
  await expect(page.getByRole('main').getByRole('link')).toHaveAttribute('href', '/')
})
