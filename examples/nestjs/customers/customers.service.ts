import { Injectable, NotFoundException } from '@nestjs/common'
import { InjectRepository } from '@nestjs/typeorm'
import { Repository } from 'typeorm'
import { Customer } from './customer.entity'

/** What a client may see: an IBAN leaves the application by its last four digits. */
export interface CustomerView {
  id: string
  name: string
  iban: string
}

@Injectable()
export class CustomersService {
  constructor(@InjectRepository(Customer) private readonly customers: Repository<Customer>) {}

  async create(values: { name: string; iban: string }): Promise<CustomerView> {
    return viewOf(await this.customers.save(this.customers.create(values)))
  }

  async find(id: string): Promise<CustomerView> {
    return viewOf(await this.one(id))
  }

  async list(): Promise<CustomerView[]> {
    const found = await this.customers.find({ order: { name: 'ASC' }, take: 50 })
    return found.map(viewOf)
  }

  /** Searching by a value that is encrypted at random is refused before anything is sent. */
  async findByIban(iban: string): Promise<CustomerView[]> {
    const found = await this.customers.findBy({ iban })
    return found.map(viewOf)
  }

  async changeIban(id: string, iban: string): Promise<CustomerView> {
    const customer = await this.one(id)
    customer.iban = iban
    return viewOf(await this.customers.save(customer))
  }

  private async one(id: string): Promise<Customer> {
    const customer = await this.customers.findOneBy({ id })
    if (!customer) throw new NotFoundException()
    return customer
  }
}

function viewOf({ id, name, iban }: Customer): CustomerView {
  return { id, name, iban: `…${iban.slice(-4)}` }
}
