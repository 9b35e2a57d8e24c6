import { expect, test } from 'vitest'
import { processesOf } from '../../scripts/start/watch.ts'

test.each([
  ['server/poll-loop.ts', ['server']],
  ['trainer/loop/session.ts', ['server', 'trainer']],
  ['contracts/recorder/recorder.ts', ['server', 'recorder']],
  ['core/db/steps.ts', ['server', 'trainer', 'recorder']],
  ['client/src/main.ts', []],
  ['server/notes.md', []],
])('a change of %s starts those again that are made of it: %j', (file, names) => {
  expect(processesOf(file)).toEqual(names)
})
