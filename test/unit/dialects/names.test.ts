import { kindOf } from '../../../src/dialects/column-layout'
import { escapedPath } from '../../../src/dialects/escaped-path'
import { escapeRegExp } from '../../../src/dialects/escape-regexp'

describe('The kind of a column', () => {
  it.each([
    ['blob', 'binary'],
    ['mediumblob', 'binary'],
    ['BLOB', 'binary'],
    ['varbinary', 'binary'],
    ['bytea', 'binary'],
    ['varchar', 'text'],
    ['character varying', 'text'],
    ['longtext', 'text'],
    ['TEXT', 'text'],
    ['clob', 'text'],
    ['int', 'other'],
    ['timestamp with time zone', 'other'],
    ['json', 'other'],
    ['', 'other'],
  ])('%s is %s', (type, kind) => {
    expect(kindOf(type)).toBe(kind)
  })
})

describe('A text as a regular expression', () => {
  it('finds that text', () => {
    for (const text of ['plain', 'a.b', 'a$b^c', '(a|b)*[c]+{d}?', 'a\\b', 'a/b-c', '']) {
      expect(new RegExp(`^${escapeRegExp(text)}$`).test(text)).toBe(true)
    }
  })

  it.each([
    ['a.b', 'axb'],
    ['a*', 'aaa'],
    ['a|b', 'a'],
    ['[ab]', 'a'],
    ['a\\d', 'a1'],
  ])('%s does not find %s', (text, other) => {
    expect(new RegExp(`^${escapeRegExp(text)}$`).test(other)).toBe(false)
  })
})

describe('The path of a table', () => {
  it('has each of its names escaped', () => {
    expect(escapedPath('schema.table', (name) => `"${name}"`)).toBe('"schema"."table"')
    expect(escapedPath('table', (name) => `"${name}"`)).toBe('"table"')
  })
})
