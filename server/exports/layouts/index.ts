import type { ExportLayout } from '../../../core/protocol/index.ts'
import { columnsOf, type Column, type Row } from '../columns.ts'
import { implicitPreference } from './implicit-preference.ts'
import { languageModeling } from './language-modeling.ts'
import { chat, Messages, plain, Text, type Layout } from './layout.ts'
import { preference } from './preference.ts'
import { promptCompletion } from './prompt-completion.ts'
import { promptOnly } from './prompt-only.ts'
import { unpairedPreference } from './unpaired-preference.ts'

/** A layout by its name. @param minValue from which value on an answer is good, in [0, 1] */
export function layoutOf(name: Exclude<ExportLayout, 'rows'>, minValue: number): Layout {
  switch (name) {
    case 'preference':
      return preference
    case 'implicit-preference':
      return implicitPreference
    case 'unpaired-preference':
      return unpairedPreference(minValue)
    case 'prompt-completion':
      return promptCompletion
    case 'language-modeling':
      return languageModeling
    case 'prompt-only':
      return promptOnly
  }
}

/** A layout's columns, and what turns a table's row into one of it. @param asChat texts as lists of messages */
export function laidOut(layout: Layout, asChat: boolean): { columns: Column[]; of: (row: Row) => Row } {
  return {
    columns: columnsOf(layout.schema(asChat ? Messages : Text)),
    of: (row) => layout.of(row, asChat ? chat : plain),
  }
}
