type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

/** Compiles if `Actual` is `Expected`, neither wider nor narrower: `expectType<Expected, Actual>(true)`. */
export const expectType = <Expected, Actual>(same: Same<Expected, Actual>): boolean => same
