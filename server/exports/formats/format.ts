import type { Column, Row } from '../columns.ts'

/** A file format of exports. */
export interface Format {
  /** Of the file's name, with its dot. */
  extension: string
  /** Media type. */
  type: string
  /** Whether a cell can hold a list or a group. */
  nests: boolean
  /** Whether the rest of a file that broke off can be appended to it. */
  continues: boolean
  /**
   * Writes rows as they come, and holds no more of them than it must.
   *
   * @param continued the beginning of the file, whatever that is in this format, has been written
   */
  write: (
    columns: readonly Column[],
    pages: AsyncIterable<readonly Row[]>,
    continued: boolean,
  ) => AsyncGenerator<string | Uint8Array, void, undefined>
}
