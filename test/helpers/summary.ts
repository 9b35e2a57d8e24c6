import type { Reporter, TestModule } from 'vitest/node'

interface Count {
  passed: number
  failed: number
}

/** Prints how the run ended as plain lines: one for each stage, where there were several, and the last for all. */
export default class Summary implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const stages = [...new Set(modules.map(({ project }) => project.name))]
    const lines = stages.map(
      (name) => `${name}: ${text(countOf(modules.filter(({ project }) => project.name === name)))}`,
    )
    const { passed, failed } = countOf(modules)
    const all = text({ passed, failed: failed + errors.length })
    // After the default reporter's own lines, which it may still be writing.
    process.once('exit', () => process.stdout.write(`\n${[...(lines.length > 1 ? lines : []), all].join('\n')}\n`))
  }
}

function countOf(modules: readonly TestModule[]): Count {
  const count = { passed: 0, failed: 0 }
  for (const module of modules) {
    // A file that could not be loaded, or whose hooks failed, has failed though no test of it did.
    count.failed += module.errors().length
    for (const suite of module.children.allSuites()) count.failed += suite.errors().length
    for (const test of module.children.allTests()) {
      const { state } = test.result()
      if (state === 'passed') count.passed += 1
      if (state === 'failed') count.failed += 1
    }
  }
  return count
}

const text = ({ passed, failed }: Count): string => `${passed} passed, ${failed} failed`
