/** A line chart as PNG, with axes, labels and a legend: drawn by uPlot, in a headless browser. */
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'
import { build } from 'vite'
import type * as chartPage from './chart-page.ts'
import type { Chart } from './chart-page.ts'

/** Pixels. */
const SIZE = { width: 960, height: 640 }

/** @param executablePath of a Chromium (chromium.ts) */
export async function drawChart(chart: Chart, executablePath: string): Promise<Buffer> {
  const script = await bundledPage()
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
  try {
    const page = await browser.newPage({ viewport: SIZE })
    await page.setContent('<!doctype html><meta charset="utf-8"><body></body>')
    await page.addScriptTag({ content: script })
    await page.evaluate((given) => (window as unknown as { chartPage: typeof chartPage }).chartPage.draw(given), chart)
    return await page.screenshot({ type: 'png' })
  } finally {
    await browser.close()
  }
}

/** `chart-page.ts` and what it imports, bundled as one script with the global name `chartPage`. */
async function bundledPage(): Promise<string> {
  const entry = fileURLToPath(new URL('chart-page.ts', import.meta.url))
  const built = await build({
    configFile: false,
    logLevel: 'silent',
    build: { write: false, lib: { entry, formats: ['iife'], name: 'chartPage', fileName: 'chart-page' } },
  })
  const outputs = Array.isArray(built) ? built.flatMap(({ output }) => output) : 'output' in built ? built.output : []
  const chunk = outputs.find((output) => output.type === 'chunk')
  if (!chunk) throw new Error('the page that draws charts could not be bundled')
  return chunk.code
}
