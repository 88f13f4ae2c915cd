/** Methods of single objects that are replaced, and can be given back. Whoever lists the object does not see them. */
export class ReplacedMethods {
  readonly #giveBack: (() => void)[] = []

  /** @param make gets the method that was there, bound to its object. */
  replace<Owner extends object, Name extends keyof Owner>(
    owner: Owner,
    name: Name,
    make: (original: Owner[Name]) => Owner[Name],
  ): void {
    const before = Object.getOwnPropertyDescriptor(owner, name)
    const method = owner[name]
    const original = typeof method === 'function' ? (method.bind(owner) as Owner[Name]) : method
    const value = make(original)
    Object.defineProperty(owner, name, { value, writable: true, configurable: true, enumerable: false })
    this.#giveBack.push(() => {
      // What was replaced by someone else since is theirs.
      if (owner[name] !== value) return
      if (before) Object.defineProperty(owner, name, before)
      else Reflect.deleteProperty(owner, name)
    })
  }

  giveBack(): void {
    for (const giveBack of this.#giveBack.splice(0).reverse()) giveBack()
  }
}

/** The methods of an object's class, whatever stands before them in the object itself. */
export function classOf<Owner extends object>(object: Owner): Owner {
  return Object.getPrototypeOf(object) as Owner
}
