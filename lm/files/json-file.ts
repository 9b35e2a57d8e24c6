/** JSON files of a model directory. They are untrusted: none is read beyond its limit. */
import { readFile, stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { z } from 'zod'
import { ifThere } from './disk.ts'
import { fileLimits } from './limits.ts'
import { checkSize } from './model-files.ts'

/** A file's content, checked; throws, naming the file and what is wrong in it. */
export async function readJson<T>(path: string, schema: z.ZodType<T>): Promise<T> {
  return parseJson(await readText(path), path, schema)
}

/** The same, or null where there is no such file. */
export async function readJsonIfThere<T>(path: string, schema: z.ZodType<T>): Promise<T | null> {
  return ifThere(readJson(path, schema))
}

/** A file's text, if it is within the size limit of its kind. */
export async function readText(path: string): Promise<string> {
  checkSize(basename(path), (await stat(path)).size, path)
  return readFile(path, 'utf8')
}

/** As `readJson`, from the file's text. */
export function parseJson<T>(text: string, path: string, schema: z.ZodType<T>): T {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (cause) {
    throw new Error(`${path} is not JSON`, { cause })
  }
  if (isDeeper(json, fileLimits.nesting))
    throw new Error(`${path}: its lists and objects are nested more than ${fileLimits.nesting} deep`)
  const parsed = schema.safeParse(json)
  if (!parsed.success) throw new Error(`${path}: ${firstIssues(parsed.error)}`)
  return parsed.data
}

/** Issues reported per file; it may have a million. */
const issuesTold = 5

/** What is wrong, in a few lines. */
export function firstIssues(error: z.ZodError): string {
  const told = z.prettifyError(new z.ZodError(error.issues.slice(0, issuesTold)))
  return error.issues.length > issuesTold ? `${told}\nand ${error.issues.length - issuesTold} more` : told
}

/** Whether lists and objects are nested more than `most` deep. Without recursion, since it guards against depth. */
function isDeeper(json: unknown, most: number): boolean {
  let level: unknown[] = [json]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > most) return true
    const next: unknown[] = []
    for (const value of level) {
      if (typeof value !== 'object' || value === null) continue
      for (const inner of Object.values(value)) if (typeof inner === 'object' && inner !== null) next.push(inner)
    }
    level = next
  }
  return false
}
