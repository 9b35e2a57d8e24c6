/** JSON files of a model directory. */
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { ifThere } from './disk.ts'

/** A file's content, checked; throws, naming the file and what is wrong in it. */
export async function readJson<T>(path: string, schema: z.ZodType<T>): Promise<T> {
  return parseJson(await readFile(path, 'utf8'), path, schema)
}

/** The same, or null where there is no such file. */
export async function readJsonIfThere<T>(path: string, schema: z.ZodType<T>): Promise<T | null> {
  return ifThere(readJson(path, schema))
}

/** As `readJson`, from the file's text. */
export function parseJson<T>(text: string, path: string, schema: z.ZodType<T>): T {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (cause) {
    throw new Error(`${path} is not JSON`, { cause })
  }
  const parsed = schema.safeParse(json)
  if (!parsed.success) throw new Error(`${path}: ${z.prettifyError(parsed.error)}`)
  return parsed.data
}
