import { tool } from './support'

describe('typeorm-kms forget', () => {
  it.each<[string[], string]>([
    [[], '--context is missing'],
    [['--context', 'club=chess'], '--days is missing'],
    [['--context', 'club=chess', '--days', '366'], '--days takes a whole number from 0 to 365'],
    [['--context', 'club', '--days', '0'], '--context takes name=value'],
    [['--context', '=chess', '--days', '0'], '--context takes name=value'],
    [['--context', '{', '--days', '0'], '--context is no JSON'],
    [['--context', '{}', '--days', '0'], '--context has no pair'],
    [['--context', '{"club":5}', '--days', '0'], '--context takes texts only'],
    [['--context', 'a=1,a=2', '--days', '0'], '--context has a name twice'],
    [['--due', '--undo'], '--undo and --due are two things'],
    [['--due', '--context', 'a=1'], '--due is for all contexts'],
    [['--context', 'club=chess', '--days', '0'], 'name the file that exports the DataSource'],
  ])('refuses %j', async (args, message) => {
    const { status, stderr } = await tool(['forget', ...args])
    expect([status, stderr]).toEqual([2, expect.stringContaining(message)])
  })
})
