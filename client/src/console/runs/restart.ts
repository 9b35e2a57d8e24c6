/** Starting a run with another one's settings. Pure. */
import { TrainingConfig } from '../../../../core/protocol/index.ts'
import { differences, type Difference } from './compare.ts'
import { groups } from './settings.ts'

/** What the form has a field for, one of its own included. */
const shown = new Set(['live.title', ...groups.flatMap(({ settings }) => settings).map(({ path }) => path.join('.'))])

/** The settings of a configuration that the form does not show and that are not the defaults: default, then its own. */
export const carriedOver = (configuration: TrainingConfig): Difference[] =>
  differences([TrainingConfig.parse({}), configuration]).filter(({ path }) => !shown.has(path))
