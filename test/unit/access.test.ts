import {
  type AccessContext,
  countDecryption,
  deny,
  isDenied,
  outsideOfContexts,
  publishedContext,
  withContext,
} from '../../src/access'

describe('The context of a request', () => {
  it.each<[unknown, RegExp]>([
    [null, /pass/],
    [{ maxDecryptions: -1 }, /maxDecryptions/],
    [{ maxDecryptions: 1.5 }, /maxDecryptions/],
    [{ user: 7 }, /user must be a text/],
    [{ limit: 7 }, /unknown option limit/],
  ])('is not %j', (bad, message) => {
    expect(() => {
      withContext(bad as AccessContext, () => undefined)
    }).toThrow(message)
  })

  it('is gone outside, and when its function fails', () => {
    expect(() =>
      withContext({ user: 'ada' }, () => {
        throw new Error('of the application')
      }),
    ).toThrow('of the application')
    expect(publishedContext()).toBeUndefined()
    expect(() => {
      countDecryption()
    }).not.toThrow()
  })

  it('is not that of what serves everybody, as what fetches data keys in the background', async () => {
    const seen = await withContext(
      { user: 'ada', maxDecryptions: 0 },
      () =>
        new Promise((resolve) => {
          outsideOfContexts(() =>
            setImmediate(() => {
              countDecryption()
              resolve(publishedContext())
            }),
          )
        }),
    )
    expect(seen).toBeUndefined()
  })

  it('limits what the contexts in it decrypt as well', () => {
    withContext({ maxDecryptions: 2 }, () => {
      withContext({ maxDecryptions: 9 }, () => {
        countDecryption()
        countDecryption()
      })
      expect(() => {
        countDecryption({ entity: 'User', property: 'iban' })
      }).toThrow(/^User.iban: more than 2 values/)
    })
  })

  it('denies inside of a denial, whatever stands between', () => {
    deny(() => {
      withContext({ reason: 'report' }, () => {
        expect(isDenied()).toBe(true)
        expect(publishedContext()).toEqual({ reason: 'report' })
        expect(() => {
          countDecryption()
        }).toThrow(/inside of encryption.deny/)
      })
    })
    expect(isDenied()).toBe(false)
  })
})
