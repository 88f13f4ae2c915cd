/** `TEST_THOROUGH=1`: property tests draw more cases, and tables of cases are gone through whole. */
export const THOROUGH = Boolean(process.env['TEST_THOROUGH'])

/** How many cases a property test draws. */
export const runs = (usual: number, thorough: number): number => (THOROUGH ? thorough : usual)
