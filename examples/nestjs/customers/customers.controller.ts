import { Body, Controller, Get, Param, Post, Put, Query } from '@nestjs/common'
import { CustomersService, type CustomerView } from './customers.service'

@Controller('customers')
export class CustomersController {
  constructor(private readonly customers: CustomersService) {}

  @Post()
  create(@Body() body: { name: string; iban: string }): Promise<CustomerView> {
    return this.customers.create(body)
  }

  @Get()
  list(@Query('iban') iban?: string): Promise<CustomerView[]> {
    return iban === undefined ? this.customers.list() : this.customers.findByIban(iban)
  }

  @Get(':id')
  find(@Param('id') id: string): Promise<CustomerView> {
    return this.customers.find(id)
  }

  @Put(':id/iban')
  changeIban(@Param('id') id: string, @Body() { iban }: { iban: string }): Promise<CustomerView> {
    return this.customers.changeIban(id, iban)
  }
}
