import { type DataSource } from 'typeorm'
import { rotateColumns } from 'typeorm-kms-encrypted/migration'
import { type Connection } from '../../ormconfig'
import { createTables, dropTables, isSqlite } from '../database'
import { connectDiaries } from '../diaries'
import { Diary } from '../entities/diary'
import { embeddedKms, keyId } from '../kms'
import { createSecondKey } from '../kms-key'
import { type Narrator } from '../narrator'
import { type Step } from '../stage'
import { Statements } from '../statements'

const [ADA, EMMY] = [1, 2]

export const forgotten: Step = {
  title: 'Data keys in a table: a rotation that writes no row, and a user who is forgotten',

  async play(stage) {
    const { narrator } = stage
    narrator.say('Two of them keep a diary. Its data keys are in a table of their own, one for each writer.')
    const connection = stage.watch(connectDiaries())
    const { dataSource } = connection
    await dataSource.initialize()
    try {
      await createTables(dataSource)
      await dataSource.getRepository(Diary).save([
        { writerId: ADA, text: 'Bernoulli numbers, by machine.' },
        { writerId: ADA, text: 'It has no pretensions to originate anything.' },
        { writerId: EMMY, text: 'Every symmetry conserves something.' },
      ])
      const [row] = await storedDiaries(dataSource)
      narrator.proves(
        'A value is 55 bytes longer than its plaintext; one that carries its data key is 221 bytes longer.',
        row ? lengthOf(row) - 'Bernoulli numbers, by machine.'.length : 0,
        55,
      )
      await rotate(connection, narrator)
      await forget(connection, narrator)
    } finally {
      if (!isSqlite()) await dropTables(dataSource)
      await dataSource.destroy()
    }
  },
}

/** Without a key of its own to move to, the same key serves: KMS is asked, and has nothing to do. */
async function rotate({ dataSource, encryption }: Connection, narrator: Narrator): Promise<void> {
  const before = await storedDiaries(dataSource)
  const { ReEncrypt } = encryption.metrics().kmsCalls
  const statements = Statements.of(dataSource)
  const to = embeddedKms ? await createSecondKey() : keyId
  const [result] = await rotateColumns(dataSource, Diary, ['text'], { to })
  narrator.proves(
    'The rotation to another KMS key is one call for each data key.',
    encryption.metrics().kmsCalls.ReEncrypt - ReEncrypt,
    2,
  )
  narrator.proves(
    'No value was written.',
    [result?.changed, statements.takeChanges().filter((sql) => sql.includes('sample_diary'))],
    [0, []],
  )
  narrator.proves('The rows are, byte for byte, what they were.', await storedDiaries(dataSource), before)
}

async function forget({ dataSource, encryption }: Connection, narrator: Narrator): Promise<void> {
  const diaries = dataSource.getRepository(Diary)
  const report = await encryption.forget({ writer: String(ADA) })
  narrator.proves('Ada is forgotten: her data key is destroyed, and two pages with it.', report.rows, 2)
  await narrator.provesError('Nobody reads her pages any more', 'FORGOTTEN', () =>
    diaries.findBy({ writerId: ADA }),
  )
  narrator.proves(
    "Emmy's page is as it was.",
    (await diaries.findBy({ writerId: EMMY })).map(({ text }) => text),
    ['Every symmetry conserves something.'],
  )
  const [backups] = report.remains
  if (backups !== undefined) narrator.say(`The report says what is left: ${backups}`)
}

function storedDiaries(dataSource: DataSource): Promise<Record<string, unknown>[]> {
  return dataSource.query('SELECT * FROM typeorm_kms_sample_diary ORDER BY id')
}

function lengthOf({ text }: Record<string, unknown>): number {
  return (text as Buffer).length
}
