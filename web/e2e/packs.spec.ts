import { readFile } from 'node:fs/promises'
import type { Page } from '@playwright/test'
import { overflow, violations } from './looks'
import { expect, test } from './farm'

const theme = (page: Page) => page.getByLabel('What is the pack for?')
const bar = (page: Page) => page.getByRole('progressbar')
const cells = (page: Page) => page.getByRole('region', { name: 'Sounds' }).getByRole('listitem')

/** The names of the files in a ZIP, by its central directory. */
function filesOf(zip: Buffer): string[] {
  const names: string[] = []
  for (let at = zip.indexOf('PK\u0001\u0002', 0, 'latin1'); at >= 0; at = zip.indexOf('PK\u0001\u0002', at + 4, 'latin1')) {
    names.push(zip.subarray(at + 46, at + 46 + zip.readUInt16LE(at + 28)).toString('utf8'))
  }
  return names
}

async function plan(page: Page, words: string, count: number) {
  await theme(page).fill(words)
  await page.getByLabel('Sounds', { exact: true }).fill(String(count))
  await page.getByRole('button', { name: 'Plan', exact: true }).click()
  await expect(page.getByLabel(`Words of sound ${count}`, { exact: true })).toBeAttached()
}

test('a theme becomes a pack: planned, edited, built, heard, downloaded', async ({ page, farm }) => {
  await page.goto(farm.url)
  await page.getByRole('link', { name: 'Packs' }).click()
  await expect(page.getByRole('link', { name: 'Packs' })).toHaveAttribute('aria-current', 'page')
  await expect(page.getByText('None yet.')).toBeVisible()

  await plan(page, 'dark platformer', 8)
  await page.getByRole('button', { name: 'Leave out sound 8' }).click()
  await page.getByLabel('Words of sound 1', { exact: true }).fill('slow dark pad, eight seconds')
  await page.getByLabel('File name of sound 1', { exact: true }).fill('Pad')
  await page.getByRole('button', { name: 'Add a sound' }).click()
  await expect(page.getByLabel('Words of sound 8')).toBeFocused()
  await page.keyboard.type('kick')
  await page.getByLabel('Name of the pack').fill('Night level')
  await page.getByRole('button', { name: 'Build 8 sounds' }).click()

  await expect(page).toHaveURL(/\/packs\/[0-9a-f-]{36}$/)
  await expect(page.getByRole('heading', { name: 'Night level', level: 1 })).toBeVisible()
  await expect(cells(page)).toHaveCount(8)
  await expect(bar(page)).toHaveAttribute('aria-valuetext', 'Ready: 8 of 8 ready')
  await expect(page.locator('li[data-state=succeeded] svg path').first()).toHaveAttribute('d', /V/)

  await cells(page).first().getByRole('button', { name: /^Pad: play/ }).click()
  await expect(cells(page).first().getByRole('button', { name: 'Pad: pause' })).toBeVisible()

  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: /ZIP/ }).click()])
  expect(download.suggestedFilename()).toBe('Night-level.zip')
  const names = filesOf(await readFile(await download.path()))
  expect(names.filter((name) => name.endsWith('.wav'))).toHaveLength(8)
  expect(names.some((name) => name.endsWith('/Pad.wav'))).toBe(true)
  expect(names.some((name) => name.endsWith('/manifest.json'))).toBe(true)

  await page.getByRole('link', { name: 'Packs' }).click()
  await expect(page.getByRole('link', { name: 'Night level' })).toBeVisible()
  await expect(page.getByRole('listitem').filter({ hasText: 'Night level' })).toContainText('Ready · 8 of 8')
})

test('a pack grows cell by cell, over a reload; cancelled, it is built again', async ({ page, pacedFarm }) => {
  await page.goto(`${pacedFarm.url}/packs`)
  await theme(page).fill('drums')
  await page.getByLabel('Sounds', { exact: true }).fill('12')
  await page.getByRole('button', { name: 'Build at once' }).click()
  await expect(cells(page)).toHaveCount(12)
  await expect(page.locator('li[data-state=succeeded]').first()).toBeVisible()
  // What is ready can be heard while the others wait.
  await page.locator('li[data-state=succeeded] button').first().click()
  await expect(page.getByRole('button', { name: /: pause$/ })).toBeVisible()
  await page.reload()
  await expect(cells(page)).toHaveCount(12)
  await expect(page.locator('li[data-state=succeeded]').first()).toBeVisible()
  await expect(page.getByText(/about|no estimate/)).toBeVisible()

  await page.getByRole('button', { name: 'Cancel', exact: true }).click()
  await expect(page.getByText('Cancelled', { exact: true })).toBeVisible()
  const again = page.getByRole('button', { name: /^Render \d+ missing sounds?$/ })
  await expect(again).toBeVisible()
  await again.click()
  await expect(bar(page)).toHaveAttribute('aria-valuetext', 'Ready: 12 of 12 ready', { timeout: 40_000 })
  await expect(page.getByRole('link', { name: /ZIP/ })).toBeVisible()

  await page.getByRole('button', { name: 'Delete this pack' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('button', { name: 'Keep it' }).click()
  await expect(dialog).toBeHidden()
  await page.getByRole('button', { name: 'Delete this pack' }).click()
  await dialog.getByRole('button', { name: 'Delete', exact: true }).click()
  await expect(page).toHaveURL(/\/packs$/)
  await expect(page.getByText('None yet.')).toBeVisible()
})

test('what is wrong with a pack is named where it is', async ({ page, farm }) => {
  await page.goto(`${farm.url}/packs`)
  const sounds = page.getByLabel('Sounds', { exact: true })
  await page.getByRole('button', { name: 'Plan', exact: true }).click()
  await expect(theme(page)).toBeFocused()
  await expect(page.getByText('Say what it is for')).toBeVisible()
  for (const wrong of ['0', '501', 'many']) {
    await theme(page).fill('drums')
    await sounds.fill(wrong)
    await page.getByRole('button', { name: 'Build at once' }).click()
    await expect(page.getByText('From 1 to 500.')).toBeVisible()
    await expect(sounds).toBeFocused()
  }
  await plan(page, 'drums', 3)
  await page.getByLabel('File name of sound 1', { exact: true }).fill('Kick')
  await page.getByLabel('File name of sound 3', { exact: true }).fill('kick')
  await page.getByLabel('Words of sound 2', { exact: true }).fill('')
  await page.getByRole('button', { name: 'Build 3 sounds' }).click()
  await expect(page.getByLabel('Words of sound 2', { exact: true })).toBeFocused()
  await expect(page.getByLabel('File name of sound 3', { exact: true })).toHaveAttribute('aria-invalid', 'true')
  await expect(page).toHaveURL(/\/packs$/)
  await page.goto(`${farm.url}/packs/0192d3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d`)
  await expect(page.getByRole('heading', { name: 'There is no such pack.' })).toBeVisible()
})

test('five hundred: planned and typed in without a pause', async ({ page, farm }) => {
  await page.goto(`${farm.url}/packs`)
  await plan(page, 'dark platformer', 500)
  const words = page.getByLabel('Words of sound 3', { exact: true })
  await words.fill('')
  // Keys come faster than anybody types; what was drawn in between is not asked for.
  await words.pressSequentially('a quite long prompt for this sound', { delay: 5 })
  await expect(words).toHaveValue('a quite long prompt for this sound')
  await expect(page.getByRole('button', { name: 'Build 500 sounds' })).toBeVisible()
})

for (const scheme of ['dark', 'light'] as const) {
  test(`${scheme}: packs are accessible when empty, planned, wrong and done`, async ({ browser, farm }) => {
    const context = await browser.newContext({ colorScheme: scheme, reducedMotion: 'reduce' })
    const page = await context.newPage()
    await page.goto(`${farm.url}/packs`)
    await expect(page.getByText('None yet.')).toBeVisible()
    expect(await violations(page)).toEqual([])
    await page.getByRole('button', { name: 'Plan', exact: true }).click()
    await expect(page.getByText('Say what it is for')).toBeVisible()
    expect(await violations(page)).toEqual([])
    await plan(page, 'drums', 5)
    expect(await violations(page)).toEqual([])
    await page.getByRole('button', { name: 'Build 5 sounds' }).click()
    await expect(bar(page)).toHaveAttribute('aria-valuetext', 'Ready: 5 of 5 ready')
    expect(await violations(page)).toEqual([])
    await page.getByRole('button', { name: 'Delete this pack' }).click()
    await expect(page.getByRole('dialog')).toBeVisible()
    expect(await violations(page)).toEqual([])
    await context.close()
  })
}

for (const width of [360, 390, 768, 1280]) {
  test(`${width} px: no pack is wider than the screen`, async ({ browser, farm }) => {
    const context = await browser.newContext({ viewport: { width, height: 800 } })
    const page = await context.newPage()
    await page.goto(`${farm.url}/packs`)
    await plan(page, 'drums', 5)
    await page.getByLabel('Name of the pack').fill('Averyveryverylongnamewithoutanyspacewhichmustbebrokensomewhereorcutoff')
    await page.getByLabel('File name of sound 1', { exact: true }).fill('alongfilenamewithoutanyspaceinitwhichiscutoff')
    expect(await overflow(page)).toBe(0)
    await page.getByRole('button', { name: 'Build 5 sounds' }).click()
    await expect(bar(page)).toHaveAttribute('aria-valuetext', 'Ready: 5 of 5 ready')
    expect(await overflow(page)).toBe(0)
    await page.goto(`${farm.url}/packs`)
    await expect(page.getByRole('listitem')).toHaveCount(1)
    expect(await overflow(page)).toBe(0)
    await context.close()
  })
}
