import { type EntitySubscriberInterface, type QueryRunner } from 'typeorm'
import { isSettled, settle } from '../../../../src/orm/write/settled'

const OWN = { beforeInsert: () => undefined, beforeUpdate: () => undefined }
const isOurs = (subscriber: object): boolean => subscriber === OWN

/** A runner of a DataSource with these subscribers, and entities with listeners of these types. */
function runnerWith(subscribers: EntitySubscriberInterface[], ...listeners: string[][]): QueryRunner {
  const entityMetadatas = listeners.map((types) => ({ listeners: types.map((type) => ({ type })) }))
  return { connection: { subscribers: [OWN, ...subscribers], entityMetadatas } } as unknown as QueryRunner
}

const CASES: [what: string, runner: QueryRunner, expected: boolean][] = [
  ['nobody listens', runnerWith([]), true],
  ['no entity has a listener', runnerWith([], [], []), true],
  ['a subscriber listens to what is loaded', runnerWith([{ afterLoad: () => undefined }]), true],
  ['listeners see what was stored', runnerWith([], ['after-insert', 'after-load']), true],
  ...['beforeInsert', 'beforeUpdate', 'beforeRemove', 'beforeSoftRemove', 'beforeRecover'].map(
    (event): [string, QueryRunner, boolean] => [
      `a subscriber has ${event}`,
      runnerWith([{}, { [event]: () => undefined }]),
      false,
    ],
  ),
  ['one entity of several has a listener', runnerWith([], [], ['after-load', 'before-update'], []), false],
]

it('nothing is settled before a save', () => {
  expect(isSettled({})).toBe(false)
})

it.each(CASES)('%s: an entity is settled until the step ends, or not at all', async (_, runner, expected) => {
  for (let save = 0; save < 2; save++) {
    const [entity, second] = [{}, {}]
    settle(runner, entity, isOurs)
    settle(runner, second, isOurs)
    expect([isSettled(entity), isSettled(second), isSettled({})]).toEqual([expected, expected, false])
    await Promise.resolve()
    expect([isSettled(entity), isSettled(second)]).toEqual([false, false])
  }
})

it('settled entities of one DataSource settle none of another, which has listeners', () => {
  const [entity, other] = [{}, {}]
  settle(runnerWith([]), entity, isOurs)
  settle(runnerWith([], ['before-update']), other, isOurs)
  expect([isSettled(entity), isSettled(other)]).toEqual([true, false])
})
