import type { Page } from '@playwright/test'
import { expect, test } from './farm'
import { overflow, violations } from './looks'

const ready = (page: Page) => page.getByRole('article', { name: 'Take 2', exact: true }).getByText('Ready')

async function variations(page: Page) {
  await page.getByRole('button', { name: 'Variations of take 1' }).click()
  await expect(page.getByRole('form', { name: 'Variations of take 1' })).toBeVisible()
}

for (const scheme of ['dark', 'light'] as const) {
  test(`${scheme}: accessible when empty, typed and done`, async ({ browser, farm }) => {
    const context = await browser.newContext({ colorScheme: scheme, reducedMotion: 'reduce' })
    const page = await context.newPage()
    await page.goto(farm.url)
    await expect(page.getByRole('article', { name: 'Example' })).toContainText('2.000 s')
    expect(await violations(page)).toEqual([])
    await page.getByLabel('What should it sound like?').fill('very bright flurble bell with reverb')
    await expect(page.getByText('Ignored:')).toBeVisible()
    expect(await violations(page)).toEqual([])
    await page.getByRole('button', { name: 'Render' }).click()
    await expect(ready(page)).toBeVisible()
    expect(await violations(page)).toEqual([])
    await variations(page)
    expect(await violations(page)).toEqual([])
    await page.getByRole('button', { name: 'Render 4 variations' }).click()
    await page.getByRole('button', { name: 'Show the patch of take 2' }).click()
    await expect(page.getByRole('list', { name: 'What take 2 changed' })).toBeVisible()
    expect(await violations(page)).toEqual([])
    await context.close()
  })
}

for (const width of [360, 390, 768, 1280]) {
  test(`${width} px: nothing is wider than the screen`, async ({ browser, farm }) => {
    const context = await browser.newContext({ viewport: { width, height: 800 } })
    const page = await context.newPage()
    await page.goto(farm.url)
    await expect(page.getByRole('article', { name: 'Example' })).toBeVisible()
    expect(await overflow(page)).toBe(0)
    await page.getByLabel('What should it sound like?').fill('deep wobble bass with a verylongwordthatnobodyknowsandthatdoesnotbreakanywhere')
    await page.getByRole('button', { name: 'Render' }).click()
    await expect(ready(page)).toBeVisible()
    expect(await overflow(page)).toBe(0)
    await page.getByRole('button', { name: 'Show the patch of take 1' }).click()
    await expect(page.getByLabel('Recipe of take 1')).toContainText('"engine"')
    expect(await overflow(page)).toBe(0)
    await variations(page)
    expect(await overflow(page)).toBe(0)
    await page.getByRole('button', { name: 'Render 4 variations' }).click()
    await page.getByRole('button', { name: 'Show the patch of take 2' }).click()
    await expect(page.getByRole('list', { name: 'What take 2 changed' })).toBeVisible()
    expect(await overflow(page)).toBe(0)
    await context.close()
  })
}

test('a take keeps its height from waiting to ready', async ({ page, slowFarm }) => {
  await page.goto(slowFarm.url)
  await page.getByLabel('What should it sound like?').fill('kick, one second')
  await page.getByRole('button', { name: 'Render' }).click()
  const card = page.getByRole('article', { name: 'Take 1', exact: true })
  await expect(card).toBeVisible()
  const before = await card.boundingBox()
  await expect(card).toContainText('Ready')
  await expect(card.getByRole('link', { name: /Download/ })).toBeVisible()
  expect((await card.boundingBox())?.height).toBe(before?.height)
})
