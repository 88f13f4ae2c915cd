import { factsOf } from '../../../../src/kms/aws/facts'

describe('What is known of an error of the SDK', () => {
  test.each([[undefined], [null], ['text'], [5], [{}], [{ name: 5, message: {}, code: [] }]])(
    'is nothing, of %p',
    (error) => {
      expect(factsOf(error)).toEqual({
        name: '',
        message: '',
        code: '',
        status: 0,
        headers: {},
        wasAnswered: false,
        isException: false,
      })
    },
  )

  test('are its texts', () => {
    expect(factsOf({ name: 'Error', message: 'reset', code: 'ECONNRESET' })).toMatchObject({
      name: 'Error',
      message: 'reset',
      code: 'ECONNRESET',
      wasAnswered: false,
    })
  })

  test.each<[string, object, number, boolean]>([
    ['its metadata', { $metadata: { httpStatusCode: 400 } }, 400, true],
    ['the answer', { $response: { statusCode: 502 } }, 502, true],
    ['its metadata first', { $metadata: { httpStatusCode: 400 }, $response: { statusCode: 502 } }, 400, true],
    ['the answer, where its metadata has none', { $metadata: {}, $response: { statusCode: 502 } }, 502, true],
    ['nothing, but it was read', { message: 'x\n  Deserialization error: y' }, 0, true],
    ['nothing', { $metadata: {}, $response: {} }, 0, false],
  ])('are the status by %s, and that it was answered', (_, error, status, wasAnswered) => {
    expect(factsOf(error)).toMatchObject({ status, wasAnswered })
  })

  test('are headers by their names in lower case, texts only', () => {
    const headers = { 'Content-Type': 'text/html', SERVER: 'squid', 'x-number': 5 }
    expect(factsOf({ $response: { headers } }).headers).toEqual({
      'content-type': 'text/html',
      server: 'squid',
      'x-number': '',
    })
  })

  test.each<[string, object, boolean]>([
    ['one with a name', { name: 'AccessDeniedException', $fault: 'client' }, true],
    ['one that begins like the unknown', { name: 'UnknownOperationException', $fault: 'client' }, true],
    ['one that ends like the unknown', { name: 'IsUnknown', $fault: 'client' }, true],
    ['one without a name', { $fault: 'client' }, false],
    ['one whose name the SDK did not find', { name: 'Unknown', $fault: 'client' }, false],
    ['one whose name the SDK did not find, as an error', { name: 'UnknownError', $fault: 'client' }, false],
    ['a status in place of a name', { name: '403', $fault: 'client' }, false],
    ['a status with its text in place of a name', { name: '403 Forbidden', $fault: 'client' }, false],
    ['a number in place of a name', { name: 403, $fault: 'client' }, false],
    ['an error of no service', { name: 'SyntaxError' }, false],
  ])('are whether a service said it: %s', (_, error, isException) => {
    expect(factsOf(error).isException).toBe(isException)
  })
})
