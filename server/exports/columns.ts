import { z } from 'zod'

/** What a value is. What has no type of its own is JSON. */
export type Shape =
  | { type: 'text' | 'time' | 'integer' | 'number' | 'boolean' | 'json' }
  | { type: 'list'; of: Cell }
  | { type: 'group'; fields: readonly (Cell & { name: string })[] }

export interface Cell {
  shape: Shape
  nullable: boolean
}

export interface Column extends Cell {
  name: string
  /** What it means; empty where its name says it. */
  description: string
}

/** A row by its columns' names. */
export type Row = Readonly<Record<string, unknown>>

/** The columns of a schema's rows, in its order. */
export const columnsOf = (schema: z.ZodObject): Column[] =>
  Object.entries(schema.shape as Record<string, z.ZodType>).map(([name, of]) => ({
    name,
    description: of.description ?? '',
    ...cellOf(of),
  }))

/** @throws Error for a type that no export has */
function cellOf(schema: z.core.$ZodType): Cell {
  if (schema instanceof z.ZodNullable) return { ...cellOf(schema.unwrap()), nullable: true }
  if (schema instanceof z.ZodDefault) return cellOf(schema.unwrap())
  return { shape: shapeOf(schema), nullable: schema instanceof z.ZodUnknown }
}

function shapeOf(schema: z.core.$ZodType): Shape {
  if (schema instanceof z.ZodUnknown) return { type: 'json' }
  if (schema instanceof z.ZodISODateTime) return { type: 'time' }
  if (schema instanceof z.ZodBoolean) return { type: 'boolean' }
  if (schema instanceof z.ZodNumber) return { type: schema.isInt ? 'integer' : 'number' }
  if (schema instanceof z.ZodArray) return { type: 'list', of: cellOf(schema.element) }
  if (schema instanceof z.ZodObject)
    return {
      type: 'group',
      fields: Object.entries(schema.shape as Record<string, z.ZodType>).map(([name, of]) => ({ name, ...cellOf(of) })),
    }
  if (schema instanceof z.ZodString || schema instanceof z.ZodStringFormat || schema instanceof z.ZodEnum)
    return { type: 'text' }
  throw new Error(`no column holds a ${schema._zod.def.type}`)
}
