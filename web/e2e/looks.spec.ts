import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Page } from '@playwright/test'
import type { AxeResults } from 'axe-core'
import { expect, test } from './farm'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** What axe-core finds against WCAG 2.2 AA. */
async function violations(page: Page): Promise<string[]> {
  // Run in a world of its own: the page's content policy allows no foreign script.
  const session = await page.context().newCDPSession(page)
  const tree = await session.send('Page.getFrameTree')
  const world = await session.send('Page.createIsolatedWorld', { frameId: tree.frameTree.frame.id, worldName: 'axe' })
  const run = `${axe}; axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] })`
  const { result, exceptionDetails } = await session.send('Runtime.evaluate', {
    expression: run,
    contextId: world.executionContextId,
    awaitPromise: true,
    returnByValue: true,
  })
  if (exceptionDetails) throw new Error(`axe does not run: ${exceptionDetails.text}`)
  const found = result.value as AxeResults
  expect(found.passes.length).toBeGreaterThan(5)
  return found.violations.map((v) => `${v.id}: ${v.nodes.map((node) => node.target.join(' ')).join(', ')}`)
}

async function overflow(page: Page): Promise<number> {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
}

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
